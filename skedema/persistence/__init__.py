"""Models in one file: written whole, read without running code."""

from __future__ import annotations

from skedema.persistence._errors import ModelFileError
from skedema.persistence._file import load, save

__all__ = ["ModelFileError", "load", "save"]
