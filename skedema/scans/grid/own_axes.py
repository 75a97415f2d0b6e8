"""A scan along its own axes: made straight, and on voxels of another size, but never turned."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skedema.scans._budget import check_budget
from skedema.scans.errors import ScanError
from skedema.scans.grid._products import Table, products
from skedema.scans.grid.kinds import spline_weights, uneven_weights
from skedema.scans.grid.resampling import ALIGNED, canonical, slices_of
from skedema.scans.scan import AIR, Scan

Floats = NDArray[np.float64]

_STRAIGHT = 1e-3  # of a voxel; slices that are shifted by less are not


def along_own_axes(scan: Scan, max_bytes: int) -> tuple[Scan, Floats | None]:
    """Take the axes of a scan for those of the patient that they are closest to.

    Parameters
    ----------
    scan : Scan
        Any scan. One without geometry, or along the patient's axes already, stays as it is.
    max_bytes : int
        The most bytes that it may take where slices are shifted.

    Returns
    -------
    scan : Scan
        Its axes run right, anterior and superior, in whatever order and direction they are stored;
        their angles are right ones. A tilted gantry shifts each slice against the one below: the
        slices are shifted back, linearly between voxels, and what comes in from outside is air, or
        the lowest value of a scan that has been clipped above that.
    moved : ndarray of shape (4, 4) or None
        From the scan's RAS coordinates to the new ones: a turn. None where nothing changes.

    Raises
    ------
    ScanError
        If no two of its axes are at right angles, or too many voxels are needed.
    """
    import nibabel

    if scan.affine is None:
        return scan, None
    tools: Any = nibabel.orientations  # untyped
    lengths = np.linalg.norm(scan.affine[:3, :3], axis=0)
    units = scan.affine[:3, :3] / lengths
    orientation = tools.io_orientation(scan.affine)
    axes, signs = orientation[:, 0].astype(np.intp), orientation[:, 1]
    closest = np.zeros((3, 3))
    closest[axes, np.arange(3)] = signs
    if np.abs(np.where(closest, 0.0, units)).max() <= ALIGNED:
        return scan, None
    stacked = _stacked(units)
    first, second = (k for k in range(3) if k != stacked)
    own = np.empty((3, 3))  # a unit vector a row, along each axis of the scan
    own[first] = units[:, first]
    own[second] = units[:, second] - (own[first] @ units[:, second]) * own[first]
    own[second] /= np.linalg.norm(own[second])
    own[stacked] = np.cross(own[first], own[second])
    own[stacked] *= np.sign(own[stacked] @ units[:, stacked])
    moved = np.eye(4)
    moved[axes, :3] = signs[:, None] * own
    affine = moved @ scan.affine
    shear = own @ scan.affine[:3, stacked] / lengths  # in voxels, from slice to slice
    straight = scan._replace(affine=affine)
    for axis in (first, second):
        straight = _shifted_back(straight, axis, stacked, float(shear[axis]), max_bytes)
    assert straight.affine is not None
    straight.affine[:3, :3] = np.where(closest, straight.affine[:3, :3], 0.0)
    return straight, moved


def _stacked(units: Floats) -> int:
    """Give the axis along which slices are stacked: the others are at right angles."""
    cosines = np.abs(units.T @ units)
    for stacked in (2, 1, 0):
        first, second = (k for k in range(3) if k != stacked)
        if cosines[first, second] <= ALIGNED:
            return stacked
    raise ScanError(
        "no two of its axes are at right angles, which no tilt of a gantry does: read it with "
        'axes="patient", or convert it again without an affine registration'
    )


def _shifted_back(scan: Scan, axis: int, stacked: int, shear: float, max_bytes: int) -> Scan:
    """Shift each slice along one of its axes, by `shear` voxels for a step from slice to slice."""
    hu = np.moveaxis(scan.voxels, (axis, stacked), (1, 0))
    depths = np.arange(len(hu)) if stacked != 2 or scan.depths is None else scan.depths
    shifts = shear * depths
    if np.ptp(shifts) < _STRAIGHT:
        return scan
    n, start = hu.shape[1], math.floor(shifts.min())
    whole = np.floor(shifts - start).astype(np.intp)
    shape = (len(hu), n + int(whole.max()) + 1, hu.shape[2])
    check_budget(shape, np.dtype(np.float32), "its slices, shifted back", max_bytes)
    straight = np.full(shape, max(AIR, float(hu.min())), dtype=np.float32)
    for given, made, skip, shift in zip(hu, straight, whole, shifts - start, strict=True):
        part = np.float32(shift - skip)
        padded = np.pad(np.asarray(given, dtype=np.float32), ((1, 1), (0, 0)), mode="edge")
        np.maximum(padded, np.float32(AIR), out=padded)
        made[skip : skip + n + 1] = (1 - part) * padded[1:] + part * padded[:-1]
    assert scan.affine is not None
    affine = scan.affine.copy()
    affine[:3, 3] += start * affine[:3, axis]
    affine[:3, stacked] -= shear * affine[:3, axis]
    return scan._replace(voxels=np.moveaxis(straight, (1, 0), (axis, stacked)), affine=affine)


def with_spacing(scan: Scan, spacing: tuple[float, float, float], max_bytes: int) -> Scan:
    """Bring a scan onto voxels of a size by cubic splines, from its first voxel's centre on.

    The last one is the nearest to the centre of the scan's last voxel. Nothing is smoothed before,
    where the new voxels are larger. What lies below -1024 HU counts as air.

    Parameters
    ----------
    scan : Scan
        Along its own axes; see `along_own_axes`. Its slices may be uneven.
    spacing : tuple of three floats
        Right, anterior and superior, in mm.
    max_bytes : int
        The most bytes that it may take, on the way as well.

    Returns
    -------
    Scan
        Of float32, its axes in the order right, anterior, superior.

    Raises
    ------
    ScanError
        If there is no geometry, or too many voxels.
    """
    if scan.affine is None:
        raise ScanError(
            "cannot be brought to a first_spacing: it has no geometry, so that nothing is known in "
            "mm; give a NIfTI file or image, or use first_spacing=None"
        )
    slices = None if scan.depths is None else slices_of(2, scan.depths)
    hu, affine, slices = canonical(scan.voxels, scan.affine, slices)
    ratios = np.asarray(spacing) / np.diagonal(affine)[:3]
    places = [np.arange(n, dtype=np.float64) for n in hu.shape]
    if slices is not None:
        places[slices.axis] = slices.depths
    shape = [round((p[-1] - p[0]) / ratio) + 1 for p, ratio in zip(places, ratios, strict=True)]
    most = tuple(map(max, hu.shape, shape))  # on the way, one axis after the other
    check_budget(most, np.dtype(np.float32), f"first_spacing={spacing}", max_bytes)
    tables: list[Table] = []
    for axis, (place, n, ratio) in enumerate(zip(places, shape, ratios, strict=True)):
        centres = place[0] + np.arange(n) * ratio
        if slices is not None and axis == slices.axis:
            weights = uneven_weights("cubic", place, (slices.low, slices.high), centres, ratio)
        else:
            weights = spline_weights(len(place), centres)
        tables.append((weights, np.zeros(n, dtype=bool)))
    made = products(hu, tables, 0.0, (AIR, np.inf), (0, 1, 2))
    origin = affine[:3, :3] @ [place[0] for place in places] + affine[:3, 3]
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = origin
    return Scan(made, affine)
