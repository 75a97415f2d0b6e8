"""A scan in memory: its voxels and where they lie."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

#: HU of air: of what lies outside a field of view, and the lowest value that a window lets in.
#: Scanners pad with -1500, -2000 or -3024, which are no densities.
AIR = -1024.0


class Scan(NamedTuple):
    """The voxels of a scan, in HU for CT, and their geometry.

    Parameters
    ----------
    voxels : ndarray of shape (X, Y, Z)
        One finite real number a voxel, in the order of the file.
    affine : ndarray of shape (4, 4), float64, or None
        Voxel index to position in mm, axes pointing right, anterior and superior (RAS). Its
        columns need not be orthogonal: a tilted gantry shears them. None: no geometry is known.
    depths : ndarray of shape (Z,), float64, or None
        Where each slice lies along the third axis, as an index into it: slice k is at
        ``affine @ (x, y, depths[k], 1)``. Strictly rising. None: 0, 1, ..., Z - 1, as everywhere
        but in a series whose slices are not evenly spaced.

    Examples
    --------
    >>> import numpy as np
    >>> from skedema.scans import Scan
    >>> Scan(np.zeros((64, 64, 30)), np.diag([3.0, 3.0, 5.0, 1.0])).spacing.tolist()
    [3.0, 3.0, 5.0]
    """

    voxels: NDArray[Any]
    affine: NDArray[np.float64] | None
    depths: NDArray[np.float64] | None = None

    @property
    def spacing(self) -> NDArray[np.float64] | None:
        """Size of a voxel along each axis in mm; the usual distance of slices that are uneven."""
        if self.affine is None:
            return None
        size: NDArray[np.float64] = np.linalg.norm(self.affine[:3, :3], axis=0)
        if self.depths is not None and len(self.depths) > 1:
            size[2] *= np.median(np.diff(self.depths))
        return size
