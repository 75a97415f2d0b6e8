"""From a scan's own voxels to a stated grid.

The grid's axes point right, anterior and superior (RAS) and its centre is the centre of the
scan's field of view. A voxel is a box: voxel i of an axis reaches from i - 1/2 to i + 1/2, so an
axis of n voxels has its centre at index (n - 1) / 2. Slices that are not evenly spaced reach half
a step beyond the first and the last, as long as the step next to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skedema.scans.grid._products import Limits, Table, products
from skedema.scans.grid.kinds import Kind, kind_weights, uneven_weights
from skedema.scans.grid.weights import axis_weights, slice_weights

#: Largest off-axis part of a voxel axis, relative to its length, that still counts as aligned.
ALIGNED = 1e-4

_LINEAR: tuple[Kind, Kind, Kind] = ("linear", "linear", "linear")


class _Slices(NamedTuple):
    """Unevenly spaced voxels of one axis, by their index; `low` and `high` are the outer faces."""

    axis: int
    depths: NDArray[np.float64]
    low: float
    high: float


def resample(
    hu: NDArray[np.float32],
    affine: NDArray[np.float64] | None,
    spacing: Sequence[float] | None,
    shape: Sequence[int],
    fill: float,
    depths: NDArray[np.float64] | None = None,
    limits: tuple[float, float] | None = None,
    centre: NDArray[np.float64] | None = None,
    kinds: Sequence[Kind] = _LINEAR,
) -> NDArray[np.float32]:
    """Resample a scan onto an axis-aligned RAS grid around the centre of its field of view.

    A scan whose axes run along the grid's is resampled by three matrix products, one an axis
    (see `skedema.scans.grid.weights`). An oblique or sheared one is first reduced along its
    own axes to about the grid's spacing by the same products, and then interpolated linearly.
    Linear functions of the position are reproduced, but within a voxel (of the scan or the grid,
    whichever is larger) of the scan's faces.

    Parameters
    ----------
    hu : ndarray of shape (A, B, C)
        Finite voxels, any orientation.
    affine : ndarray of shape (4, 4) or None
        Voxel index to RAS in mm. None: the axes are taken to be right, anterior and superior, and
        each is stretched to fill the grid; where the shapes agree nothing changes, to the bit.
    spacing : sequence of 3 floats or None
        Size of the grid's voxels in mm. None: the scan's extent along each axis divided by
        `shape`, so that the field of view just fills the grid.
    shape : sequence of 3 ints
        Number of the grid's voxels (X, Y, Z).
    fill : float
        Value of the voxels whose centre lies outside the field of view.
    depths : ndarray of shape (C,) or None, default=None
        Where each slice of the third axis lies, as an index into it: strictly rising, not evenly
        spaced (`Scan.depths`). None: 0, 1, ..., C - 1.
    limits : tuple of (low, high) or None, default=None
        What voxels are clipped to before they are interpolated.
    centre : ndarray of shape (3,) or None, default=None
        Where the grid's centre lies in RAS, in mm. None: at that of the field of view. It needs an
        affine and a spacing.
    kinds : sequence of 3 str, default=("linear", "linear", "linear")
        How each axis is interpolated, where the scan's run along the grid's; an oblique one is
        interpolated linearly.

    Returns
    -------
    ndarray of shape (X, Y, Z), float32
        A new, C-contiguous array.

    Examples
    --------
    >>> import numpy as np
    >>> ramp = np.arange(4, dtype=np.float32).reshape(4, 1, 1)
    >>> resample(ramp, np.eye(4), (0.5, 1.0, 1.0), (10, 1, 1), fill=-1.0).ravel().tolist()
    [-1.0, 0.0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.0, -1.0]
    """
    target = np.asarray(shape, dtype=np.intp)
    slices = None if depths is None else slices_of(2, np.asarray(depths, dtype=np.float64))
    if affine is None:
        return _along_axes(hu, _extent(hu, slices) / target, target, fill, limits, slices, kinds)
    hu, affine, slices = canonical(hu, np.asarray(affine, dtype=np.float64), slices)
    linear = affine[:3, :3]
    size = np.linalg.norm(linear, axis=0)
    off_axis = np.abs(linear / size)[~np.eye(3, dtype=bool)]
    if off_axis.max() > ALIGNED or centre is not None:
        return _oblique(hu, affine, spacing, target, fill, limits, slices, centre)
    ratios = _extent(hu, slices) / target if spacing is None else np.asarray(spacing) / size
    return _along_axes(hu, ratios, target, fill, limits, slices, kinds)


def slices_of(axis: int, depths: NDArray[np.float64]) -> _Slices:
    """Give uneven slices with their outer faces."""
    first, last = (1.0, 1.0) if len(depths) == 1 else np.diff(depths)[[0, -1]]
    return _Slices(axis, depths, float(depths[0] - first / 2), float(depths[-1] + last / 2))


def _extent(hu: NDArray[np.float32], slices: _Slices | None) -> NDArray[np.float64]:
    """Length of each axis, in voxels."""
    extent = np.array(hu.shape, dtype=np.float64)
    if slices is not None:
        extent[slices.axis] = slices.high - slices.low
    return extent


def extent_and_middle(
    shape: Sequence[int], depths: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Length of each axis of a scan, in voxels, and the index of its middle."""
    extent = np.array(shape, dtype=np.float64)
    middle = (extent - 1) / 2
    if depths is not None:
        _, _, low, high = slices_of(2, np.asarray(depths, dtype=np.float64))
        extent[2], middle[2] = high - low, (low + high) / 2
    return extent, middle


def canonical(
    hu: NDArray[np.float32], affine: NDArray[np.float64], slices: _Slices | None
) -> tuple[NDArray[np.float32], NDArray[np.float64], _Slices | None]:
    """Permute and flip axes (a view) to come closest to RAS; the affine follows."""
    import nibabel

    tools: Any = nibabel.orientations  # untyped
    orientation = tools.io_orientation(affine)
    turned = affine @ tools.inv_ornt_aff(orientation, hu.shape)
    if slices is not None:
        axis, flip = orientation[slices.axis]
        depths = slices.depths if flip > 0 else (hu.shape[slices.axis] - 1) - slices.depths[::-1]
        slices = slices_of(int(axis), depths)
    return tools.apply_orientation(hu, orientation), turned, slices


def _along_axes(
    hu: NDArray[Any],
    ratios: NDArray[np.float64],
    shape: NDArray[np.intp],
    fill: float,
    limits: Limits,
    slices: _Slices | None = None,
    kinds: Sequence[Kind] = _LINEAR,
) -> NDArray[np.float32]:
    """Apply the weights of a kind along each axis, those of slices along that of uneven ones."""
    tables: list[Table] = []
    for k, kind in enumerate(kinds):
        n_in, n_out, ratio = hu.shape[k], int(shape[k]), float(ratios[k])
        if slices is not None and k == slices.axis:
            tables.append(_slice_table(slices, n_out, ratio, kind))
        elif kind == "linear":
            tables.append(axis_weights(n_in, n_out, ratio))
        else:
            tables.append(kind_weights(kind, n_in, n_out, ratio))
    one_way = {k for k, kind in enumerate(kinds) if kind == "nearest"}
    return products(hu, tables, fill, limits, one_way | _axis(slices))


def _axis(slices: _Slices | None) -> set[int]:
    return set() if slices is None else {slices.axis}


def _slice_table(slices: _Slices, n_out: int, ratio: float, kind: Kind) -> Table:
    _, depths, low, high = slices
    steps = np.arange(n_out, dtype=np.float64) - (n_out - 1) / 2
    centres: NDArray[np.float64] = (low + high) / 2 + steps * np.float64(ratio)
    outside = (centres < low - 1e-6) | (centres > high + 1e-6)
    if kind == "linear":
        return slice_weights(depths, centres, ratio), outside
    return uneven_weights(kind, depths, (low, high), centres, ratio), outside


def _oblique(
    hu: NDArray[np.float32],
    affine: NDArray[np.float64],
    spacing: Sequence[float] | None,
    shape: NDArray[np.intp],
    fill: float,
    limits: Limits,
    slices: _Slices | None = None,
    centre: NDArray[np.float64] | None = None,
) -> NDArray[np.float32]:
    """Resample a scan whose axes are close to the grid's but not along them."""
    from scipy import ndimage

    n_in = np.array(hu.shape)
    size = np.linalg.norm(affine[:3, :3], axis=0)
    if spacing is None:
        step = np.abs(affine[:3, :3]) @ _extent(hu, slices) / shape
    else:
        step = np.asarray(spacing, dtype=np.float64)
    reduced = np.where(size < step, np.maximum(1, np.rint(n_in * size / step)), n_in)
    if slices is not None:  # these stay where they are
        reduced[slices.axis] = n_in[slices.axis]
    reduced = reduced.astype(np.intp)
    ratios = n_in / reduced
    low, high = np.full(3, -0.5), reduced - 0.5
    middle = (reduced - 1) / 2
    if slices is None:
        hu = _along_axes(hu, ratios, reduced, fill, limits)
    else:
        axis, _, low[axis], high[axis] = slices
        middle[axis] = (low[axis] + high[axis]) / 2
        hu = _smooth_slices(hu, ratios, reduced, limits, slices, step[axis] / size[axis])
    affine = affine @ _index_map(ratios, (ratios - 1) / 2)

    if centre is None:
        centre = affine[:3, :3] @ middle + affine[:3, 3]
    grid = _index_map(step, centre - step * (shape - 1) / 2)
    to_index = np.linalg.solve(affine, grid).astype(np.float64)
    result: NDArray[np.float32]
    if slices is None:
        result = ndimage.affine_transform(
            hu,
            to_index[:3, :3],
            to_index[:3, 3],
            output_shape=tuple(int(n) for n in shape),
            order=1,
            mode="nearest",
        )
    else:
        result = _between_slices(hu, to_index, shape, slices)
    result[~_inside(to_index, shape, low, high)] = fill
    return result


def _smooth_slices(
    hu: NDArray[np.float32],
    ratios: NDArray[np.float64],
    shape: NDArray[np.intp],
    limits: Limits,
    slices: _Slices,
    step: float,
) -> NDArray[np.float32]:
    """Reduce slices in their planes; along their axis, smooth those closer than `step`."""
    tables: list[Table] = [
        axis_weights(hu.shape[k], int(shape[k]), float(ratios[k])) for k in range(3)
    ]
    depths = slices.depths
    if len(depths) > 1 and np.diff(depths).min() < step:
        weights = slice_weights(depths, depths, step)
        tables[slices.axis] = weights, np.zeros(len(depths), dtype=bool)
    return products(hu, tables, 0.0, limits, {slices.axis})


def _between_slices(
    hu: NDArray[np.float32],
    to_index: NDArray[np.float64],
    shape: NDArray[np.intp],
    slices: _Slices,
) -> NDArray[np.float32]:
    """Interpolate linearly, between the true positions of the slices."""
    from scipy import ndimage

    result = np.empty(tuple(shape), dtype=np.float32)
    _, y, z = np.ogrid[:1, : shape[1], : shape[2]]
    number = np.arange(len(slices.depths), dtype=np.float64)
    for x in range(shape[0]):  # plane by plane: the coordinates of a whole grid are large
        index = np.stack(
            [row[0] * x + row[1] * y[0] + row[2] * z[0] + row[3] for row in to_index[:3]]
        )
        index[slices.axis] = np.interp(index[slices.axis], slices.depths, number)
        ndimage.map_coordinates(hu, index, output=result[x], order=1, mode="nearest")
    return result


def _index_map(scale: NDArray[np.float64], offset: NDArray[np.float64]) -> NDArray[np.float64]:
    matrix = np.diag([*scale, 1.0])
    matrix[:3, 3] = offset
    return matrix


def _inside(
    to_index: NDArray[np.float64],
    shape: NDArray[np.intp],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Which grid voxels have their centre within the outer faces of the scan."""
    x, y, z = np.ogrid[: shape[0], : shape[1], : shape[2]]
    inside = np.ones(tuple(shape), dtype=bool)
    for row, start, stop in zip(to_index[:3], low, high, strict=True):
        index = row[0] * x + row[1] * y + (row[2] * z + row[3])
        inside &= (index >= start - 1e-6) & (index <= stop + 1e-6)
    return inside
