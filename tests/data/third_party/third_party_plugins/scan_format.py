"""A scan format of another package."""

from __future__ import annotations

import numpy as np

from skedema.scans import Format, Scan, ScanError


class Counted(Format):
    """Three sides, then as many HU: 32-bit and 16-bit integers, of voxels of 1 mm."""

    def load(self, cell, name, max_bytes):
        with open(cell, "rb") as file:
            sides = np.fromfile(file, "<i4", 3)
            voxels = np.fromfile(file, "<i2")
        if voxels.size != sides.prod():
            raise ScanError(f"{name}: holds {voxels.size} voxels of {sides.prod()}; copy it anew.")
        return Scan(voxels.reshape(sides).astype(np.float32), affine=np.eye(4))
