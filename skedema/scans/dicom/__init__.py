"""DICOM: the slices of one series, checked and stacked."""

from __future__ import annotations

from skedema.scans.dicom._load import load_dicom

__all__ = ["load_dicom"]
