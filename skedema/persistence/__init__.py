"""Models in one file, read without running code; and as graphs for other runtimes."""

from __future__ import annotations

from skedema.persistence._errors import ModelFileError
from skedema.persistence._file import load, save
from skedema.persistence._onnx import export_onnx

__all__ = ["ModelFileError", "export_onnx", "load", "save"]
