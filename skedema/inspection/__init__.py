"""Looks into a fitted model: where it looked, what moved it, and pictures of both."""

from __future__ import annotations

from skedema.inspection._explain_scan import explain_scan
from skedema.inspection._relevance import ScanRelevance
from skedema.inspection._saliency import SaliencyDisplay

__all__ = ["SaliencyDisplay", "ScanRelevance", "explain_scan"]
