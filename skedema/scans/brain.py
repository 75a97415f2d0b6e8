"""The brain mask, at its public path."""

from __future__ import annotations

from skedema.scans.head.brain import brain_mask

__all__ = ["brain_mask"]
