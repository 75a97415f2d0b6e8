"""Clinical variables: what a column holds, and the numbers that a token layer embeds."""

from __future__ import annotations

from skedema.clinical.check import check
from skedema.clinical.tokenizer import ClinicalTokenizer

__all__ = ["ClinicalTokenizer", "check"]
