"""Looks into a fitted model: where it looked, what moved it, and pictures of both."""

from __future__ import annotations

from skedema.inspection.importance import ImportanceDisplay

__all__ = ["ImportanceDisplay"]
