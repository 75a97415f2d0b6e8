"""Looks into a fitted model: where it looked, what moved it, and pictures of both."""

from __future__ import annotations

from skedema.inspection._explain import explain
from skedema.inspection._explain_scan import explain_scan
from skedema.inspection._explanation import Explanation
from skedema.inspection._relevance import ScanRelevance
from skedema.inspection._saliency import SaliencyDisplay
from skedema.inspection.attention import AttentionDisplay
from skedema.inspection.history import HistoryDisplay
from skedema.inspection.importance import ImportanceDisplay
from skedema.inspection.missingness import MissingnessDisplay
from skedema.inspection.reconstruction import ReconstructionDisplay

__all__ = [
    "AttentionDisplay",
    "Explanation",
    "HistoryDisplay",
    "ImportanceDisplay",
    "MissingnessDisplay",
    "ReconstructionDisplay",
    "SaliencyDisplay",
    "ScanRelevance",
    "explain",
    "explain_scan",
]
