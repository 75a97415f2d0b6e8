"""A scan that was read onto a grid, and the way back."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skedema.scans._settings import ReaderSettings
from skedema.scans.grid import resample
from skedema.scans.grid.places import from_grid, grid_affine
from skedema.scans.head.prepare import Prepared
from skedema.scans.scan import Scan

Floats = NDArray[np.float64]


class Placed(NamedTuple):
    """Where a scan lies on a grid.

    ``scan`` is as it was loaded, ``grid`` leads from the index on the grid to the coordinates of
    the head as it was prepared, ``moved`` from the scan's own to these.
    """

    scan: Scan
    grid: Floats
    moved: Floats
    shape: tuple[int, int, int]

    def onto(
        self, voxels: NDArray[np.float32], scan: Scan, fill: float = 0.0
    ) -> NDArray[np.float32]:
        """Bring voxels in the scan's space onto the grid, that lie where those of `scan` do."""
        affine = np.eye(4) if scan.affine is None else scan.affine
        centre = self.grid[:3, :3] @ ((np.array(self.shape) - 1) / 2) + self.grid[:3, 3]
        return resample(
            voxels,
            self.moved @ affine,
            np.diag(self.grid)[:3].tolist(),
            self.shape,
            fill,
            scan.depths,
            centre=centre,
        )

    def back(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Bring values on the grid to the scan's own voxels; 0 beyond the grid."""
        affine = np.eye(4) if self.scan.affine is None else self.scan.affine
        to_grid = np.linalg.inv(self.grid) @ self.moved @ affine
        return from_grid(values, self.scan, to_grid)


def place(scan: Scan, prepared: Prepared, settings: ReaderSettings) -> Placed:
    """Say where a scan lies on the grid of a reader that prepared it."""
    grid = grid_affine(
        prepared.scan, settings.spacing_on(prepared.scan), settings.shape, prepared.centre
    )
    moved = np.eye(4) if prepared.moved is None else prepared.moved
    return Placed(scan, grid, moved, settings.shape)
