"""The part of a scan that holds the head."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skedema.scans.errors import ScanError
from skedema.scans.head._morphology import (
    block_means,
    box_of,
    coarse_factors,
    grow,
    largest,
    shrink,
)
from skedema.scans.scan import Scan

Box = tuple[slice, slice, slice]

_BODY = -300.0  # HU; between fat (-100) and the foam of headrests (-900)
_COARSE = 2.0  # mm; the box is to the next whole voxel of about this size
_TABLE = 5.0  # mm, half the thickness of what counts as table, headrest or tube
_SMALLEST = 100.0  # ml


def head_box(
    hu: NDArray[Any],
    affine: NDArray[np.float64] | None,
    margin: float = 5.0,
    depths: NDArray[np.float64] | None = None,
) -> Box:
    """Find the box around the head and `margin` mm, or less than 2 mm more on a side.

    The head is the largest component above -300 HU once everything thinner than 10 mm (table,
    headrest, tubes, and the rims of the ears with them) is taken away. Where air is clipped to a
    higher value, as in a brain window, the lowest value of the scan is taken to be air. Without a
    head of at least 100 ml, or a geometry, it is an error.

    Examples
    --------
    >>> import numpy as np
    >>> from skedema.scans.head.crop import head_box
    >>> hu = np.full((30, 30, 30), -1000)
    >>> hu[8:20, 10:22, 3:15] = 40  # voxels of 5 mm
    >>> head_box(hu, np.diag([5, 5, 5, 1]), margin=10)
    (slice(6, 22, None), slice(8, 24, None), slice(1, 17, None))
    """
    volume = np.asarray(hu)
    if volume.ndim != 3 or not volume.size:
        raise ValueError(f"voxels of shape {volume.shape}; give one volume (X, Y, Z) in HU")
    if not 0 <= margin < np.inf:
        raise ValueError(f"margin={margin!r}; give 0 mm or more")
    if affine is None:
        raise ScanError(
            "cannot be cropped to the head: it has no geometry, so that nothing is known in mm; "
            "give a NIfTI file or image, or read it without cropping"
        )
    places = _places(volume.shape, np.asarray(affine, dtype=np.float64), depths)
    spacing = np.array([(p[-1] - p[0]) / (len(p) - 1) if len(p) > 1 else _COARSE for p in places])
    factors = coarse_factors(volume.shape, spacing, _COARSE)
    body = block_means(volume, factors) > max(_BODY, float(volume.min()))
    steps = spacing * factors
    core = largest(shrink(body, _TABLE, steps))
    head = grow(core, _TABLE, steps) & body
    if not core.any() or head.sum() * steps.prod() / 1000 < _SMALLEST:
        raise ScanError(
            f"no head found: nothing of at least {_SMALLEST:g} ml is above {_BODY:g} HU; check "
            "that the voxels are HU and the sizes mm, or read it without cropping"
        )
    box = []
    for part, factor, place in zip(box_of(head), factors, places, strict=True):
        low = place[part.start * factor] - margin
        high = place[min(part.stop * factor, len(place)) - 1] + margin
        inside = np.flatnonzero((place >= low - 1e-6) & (place <= high + 1e-6))
        box.append(slice(int(inside[0]), int(inside[-1]) + 1))
    return box[0], box[1], box[2]


def crop(scan: Scan, margin: float = 5.0) -> Scan:
    """Cut a scan down to the head and `margin` mm, a view; every voxel keeps its position in mm."""
    return cut(scan, head_box(scan.voxels, scan.affine, margin, scan.depths))


def foreground_box(hu: NDArray[Any], threshold: float) -> Box:
    """Find the box, along the axes of a volume, around all voxels above a threshold in HU.

    Everything counts, also table, headrest and noise. Without such a voxel it is an error.

    Examples
    --------
    >>> import numpy as np
    >>> from skedema.scans.head.crop import foreground_box
    >>> hu = np.full((8, 8, 4), -1000)
    >>> hu[2, 3:6, 1] = 40
    >>> foreground_box(hu, 0)
    (slice(2, 3, None), slice(3, 6, None), slice(1, 2, None))
    """
    above: NDArray[np.bool_] = np.asarray(hu) > threshold
    ends = [np.flatnonzero(above.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
    if not len(ends[0]):
        raise ScanError(
            f"nothing of it is above {threshold:g} HU, so that it cannot be cropped to that; check "
            "that the voxels are HU, or read it with a lower crop or crop=None"
        )
    x, y, z = (slice(int(each[0]), int(each[-1]) + 1) for each in ends)
    return x, y, z


def cut(scan: Scan, box: Box) -> Scan:
    """Cut a box out of a scan, a view; every voxel keeps its position, in mm if it has one."""
    depths, affine = scan.depths, scan.affine
    start = np.array([part.start for part in box], dtype=np.float64)
    if depths is not None:
        start[2] = depths[box[2].start]
        depths = depths[box[2]] - start[2]
    if affine is not None:
        affine = np.array(affine, dtype=np.float64)
        affine[:3, 3] += affine[:3, :3] @ start
    return Scan(scan.voxels[box], affine, depths)


def _places(
    shape: tuple[int, ...], affine: NDArray[np.float64], depths: NDArray[np.float64] | None
) -> list[NDArray[np.float64]]:
    """Where the voxels lie along each axis, in mm."""
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    places = [np.arange(n, dtype=np.float64) * size for n, size in zip(shape, lengths, strict=True)]
    if depths is not None:
        places[2] = np.asarray(depths, dtype=np.float64) * lengths[2]
    return places
