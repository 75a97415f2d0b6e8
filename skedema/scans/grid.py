"""From a scan's own voxels to a stated grid.

The grid's axes point right, anterior and superior (RAS) and its centre is the centre of the
scan's field of view. A voxel is a box: voxel i of an axis reaches from i - 1/2 to i + 1/2, so an
axis of n voxels has its centre at index (n - 1) / 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Largest off-axis part of a voxel axis, relative to its length, that still counts as aligned.
ALIGNED = 1e-4


def resample(
    hu: NDArray[np.float32],
    affine: NDArray[np.float64] | None,
    spacing: Sequence[float] | None,
    shape: Sequence[int],
    fill: float,
) -> NDArray[np.float32]:
    """Resample a scan onto an axis-aligned RAS grid around the centre of its field of view.

    A scan whose axes run along the grid's is resampled by three matrix products, one an axis
    (see `axis_weights`). An oblique or sheared one is first reduced along its own axes to about
    the grid's spacing by the same products, and then interpolated linearly.

    Parameters
    ----------
    hu : ndarray of shape (A, B, C), float32
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
    if affine is None:
        return _along_axes(hu, np.array(hu.shape) / target, target, fill)
    hu, affine = _canonical(hu, np.asarray(affine, dtype=np.float64))
    linear = affine[:3, :3]
    size = np.linalg.norm(linear, axis=0)
    off_axis = np.abs(linear / size)[~np.eye(3, dtype=bool)]
    if off_axis.max() > ALIGNED:
        return _oblique(hu, affine, spacing, target, fill)
    ratios = np.array(hu.shape) / target if spacing is None else np.asarray(spacing) / size
    return _along_axes(hu, ratios, target, fill)


@lru_cache(maxsize=256)
def axis_weights(
    n_in: int, n_out: int, ratio: float
) -> tuple[NDArray[np.float32] | None, NDArray[np.bool_]]:
    """Antialiased linear weights from one axis to another with the same centre.

    The weight of input voxel i for the output voxel centred at x is a triangle,
    max(0, 1 - abs(i - x) / s) with s = max(1, ratio), and each row is normalised: linear
    interpolation when the grid is finer, and when it is coarser the widened triangle that Pillow
    and ``torch.nn.functional.interpolate(antialias=True)`` use. Sampled at a ratio that is not a
    whole number, such a triangle is not centred on x (by up to 0.09 input voxels), so that edges
    would shift; a linear factor puts its centre of mass on x wherever it lies inside the axis.

    Parameters
    ----------
    n_in : int
        Number of input voxels.
    n_out : int
        Number of output voxels.
    ratio : float
        Output spacing divided by input spacing.

    Returns
    -------
    weights : ndarray of shape (n_out, n_in), float32, or None
        Rows sum to 1, or to 0 where the output voxel is outside. None if nothing changes.
    outside : ndarray of shape (n_out,), bool
        Output voxels whose centre is beyond the outer faces of the input.
    """
    centre = (n_in - 1) / 2 + (np.arange(n_out) - (n_out - 1) / 2) * ratio
    outside = (centre < -0.5 - 1e-6) | (centre > n_in - 0.5 + 1e-6)
    if n_in == n_out and abs(ratio - 1.0) * n_in < 1e-6:
        return None, outside
    support = max(ratio, 1.0)
    offset = np.arange(n_in)[None, :] - centre[:, None]
    weights = np.clip(1 - np.abs(offset) / support, 0, None)
    weights[outside] = 0
    weights /= np.where(outside, 1.0, weights.sum(axis=1))[:, None]
    # w (a + b offset) with sum 1 and first moment 0; left as it is where the axis cuts it off.
    first = (weights * offset).sum(axis=1)
    spread = (weights * offset**2).sum(axis=1) - first**2
    whole = (centre - support >= -1 - 1e-6) & (centre + support <= n_in + 1e-6) & (spread > 1e-9)
    slope = np.where(whole, -first / np.where(whole, spread, 1.0), 0.0)
    weights *= 1 + slope[:, None] * (offset - first[:, None])
    result = weights.astype(np.float32)
    result.flags.writeable = outside.flags.writeable = False
    return result, outside


def _canonical(
    hu: NDArray[np.float32], affine: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Permute and flip axes (a view) to come closest to RAS; the affine follows."""
    import nibabel

    tools: Any = nibabel.orientations  # untyped
    orientation = tools.io_orientation(affine)
    turned = affine @ tools.inv_ornt_aff(orientation, hu.shape)
    return tools.apply_orientation(hu, orientation), turned


def _along_axes(
    hu: NDArray[np.float32], ratios: NDArray[np.float64], shape: NDArray[np.intp], fill: float
) -> NDArray[np.float32]:
    """Apply `axis_weights` along each axis."""
    # The weights are symmetric, so a flipped view is worked on as it lies in memory and the small
    # result is flipped; likewise for permuted axes. Neither copies the scan.
    unflip = tuple(slice(None, None, -1 if step < 0 else 1) for step in hu.strides)
    order = sorted(range(3), key=lambda axis: -abs(hu.strides[axis]))
    data = np.ascontiguousarray(hu[unflip].transpose(order))
    tables = [axis_weights(hu.shape[k], int(shape[k]), float(ratios[k])) for k in range(3)]
    slow, middle, fast = (tables[axis][0] for axis in order)
    if fast is not None:
        data = (data.reshape(-1, data.shape[2]) @ fast.T).reshape(*data.shape[:2], -1)
    if middle is not None:
        data = np.matmul(middle, data)
    if slow is not None:
        data = (slow @ data.reshape(data.shape[0], -1)).reshape(-1, *data.shape[1:])
    result = np.array(data.transpose(np.argsort(order))[unflip], order="C")
    for axis, (_, outside) in enumerate(tables):
        np.moveaxis(result, axis, 0)[outside] = fill
    return result


def _oblique(
    hu: NDArray[np.float32],
    affine: NDArray[np.float64],
    spacing: Sequence[float] | None,
    shape: NDArray[np.intp],
    fill: float,
) -> NDArray[np.float32]:
    """Resample a scan whose axes are close to the grid's but not along them."""
    from scipy import ndimage

    n_in = np.array(hu.shape)
    size = np.linalg.norm(affine[:3, :3], axis=0)
    if spacing is None:
        step = np.abs(affine[:3, :3]) @ n_in / shape
    else:
        step = np.asarray(spacing, dtype=np.float64)
    reduced = np.where(size < step, np.maximum(1, np.rint(n_in * size / step)), n_in)
    reduced = reduced.astype(np.intp)
    ratios = n_in / reduced
    hu = _along_axes(hu, ratios, reduced, fill)
    affine = affine @ _index_map(ratios, (ratios - 1) / 2)

    centre = affine[:3, :3] @ ((reduced - 1) / 2) + affine[:3, 3]
    grid = _index_map(step, centre - step * (shape - 1) / 2)
    to_index = np.linalg.solve(affine, grid).astype(np.float64)
    result: NDArray[np.float32] = ndimage.affine_transform(
        hu,
        to_index[:3, :3],
        to_index[:3, 3],
        output_shape=tuple(int(n) for n in shape),
        order=1,
        mode="nearest",
    )
    result[~_inside(to_index, shape, reduced)] = fill
    return result


def _index_map(scale: NDArray[np.float64], offset: NDArray[np.float64]) -> NDArray[np.float64]:
    matrix = np.diag([*scale, 1.0])
    matrix[:3, 3] = offset
    return matrix


def _inside(
    to_index: NDArray[np.float64], shape: NDArray[np.intp], n_in: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Which grid voxels have their centre within the outer faces of the scan."""
    x, y, z = np.ogrid[: shape[0], : shape[1], : shape[2]]
    inside = np.ones(tuple(shape), dtype=bool)
    for row, n in zip(to_index[:3], n_in, strict=True):
        index = row[0] * x + row[1] * y + (row[2] * z + row[3])
        inside &= (index >= -0.5 - 1e-6) & (index <= n - 0.5 + 1e-6)
    return inside
