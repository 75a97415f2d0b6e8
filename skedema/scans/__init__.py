"""Scans: files and arrays in, volumes on a stated grid out."""

from __future__ import annotations

from .errors import ScanError
from .files import looks_like_scan
from .reader import VolumeReader

__all__ = ["ScanError", "VolumeReader", "looks_like_scan"]
