"""The grid of the volumes: where its voxels lie in a scan, and with which weights."""

from __future__ import annotations

from skedema.scans.grid.resampling import resample

__all__ = ["resample"]
