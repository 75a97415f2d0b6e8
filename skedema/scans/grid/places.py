"""Where the voxels of a grid lie, and what is on a grid brought back to a scan's own voxels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skedema.scans.grid.resampling import extent_and_middle
from skedema.scans.scan import Scan

Floats = NDArray[np.float64]


def grid_affine(
    scan: Scan, spacing: Sequence[float] | None, shape: Sequence[int], centre: Floats | None = None
) -> Floats:
    """Give the affine of the grid onto which `resample` brings a scan.

    From the index on the grid to RAS in mm, or to the index in a scan without geometry. All
    parameters are those of `resample`.
    """
    extent, middle = extent_and_middle(scan.voxels.shape, scan.depths)
    affine = np.eye(4) if scan.affine is None else scan.affine
    if spacing is None or scan.affine is None:
        step = np.abs(affine[:3, :3]) @ extent / np.asarray(shape)
    else:
        step = np.asarray(spacing, dtype=np.float64)
    if centre is None:
        centre = affine[:3, :3] @ middle + affine[:3, 3]
    grid = np.diag([*step, 1.0])
    grid[:3, 3] = centre - step * (np.asarray(shape) - 1) / 2
    return grid


def from_grid(values: NDArray[Any], scan: Scan, to_grid: Floats) -> NDArray[np.float32]:
    """Interpolate values of a grid linearly at the voxels of a scan; 0 beyond the grid.

    `to_grid` leads from a place along the axes of the scan (of uneven slices, see `Scan.depths`) to
    the index on the grid.
    """
    from scipy import ndimage

    shape = scan.voxels.shape
    depths = np.arange(shape[2]) if scan.depths is None else scan.depths
    last = np.array(values.shape) - 0.5
    result = np.zeros(shape, dtype=np.float32)
    x, y = np.ogrid[: shape[0], : shape[1]]
    for k, depth in enumerate(depths):  # slice by slice: they may lie unevenly
        start = to_grid[:3, 2] * depth + to_grid[:3, 3]
        index = [to_grid[i, 0] * x + to_grid[i, 1] * y + start[i] for i in range(3)]
        inside = np.ones(shape[:2], dtype=bool)
        for along, end in zip(index, last, strict=True):
            inside &= (along >= -0.5) & (along <= end)
        if inside.any():
            places = np.stack([along[inside] for along in index])
            result[:, :, k][inside] = ndimage.map_coordinates(
                values, places, output=np.float32, order=1, mode="nearest"
            )
    return result
