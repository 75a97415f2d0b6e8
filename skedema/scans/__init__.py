"""Scans: files and arrays in, volumes on a stated grid out."""

from __future__ import annotations

from skedema.scans._check import check
from skedema.scans.errors import ScanError
from skedema.scans.files import looks_like_scan
from skedema.scans.formats import Format, register_format
from skedema.scans.reader import VolumeReader
from skedema.scans.scan import Scan

__all__ = [
    "Format",
    "Scan",
    "ScanError",
    "VolumeReader",
    "check",
    "looks_like_scan",
    "register_format",
]
