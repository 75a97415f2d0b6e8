"""Weights that carry one axis of a scan onto another, antialiased.

Voxel i of an axis is a box from i - 1/2 to i + 1/2, its value that at its centre i.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


@lru_cache(maxsize=256)
def axis_weights(
    n_in: int, n_out: int, ratio: float
) -> tuple[NDArray[np.float32] | None, NDArray[np.bool_]]:
    """Antialiased linear weights from one axis to another with the same centre.

    The weight of input voxel i for the output voxel centred at x is a triangle, max(0, 1 - abs(i -
    x) / s) with s = max(1, ratio), and each row is normalised: linear interpolation when the grid
    is finer, and when it is coarser the widened triangle that Pillow and
    ``torch.nn.functional.interpolate(antialias=True)`` use. Sampled at a ratio that is not a whole
    number, such a triangle is not centred on x (by up to 0.09 input voxels), so that edges would
    shift; a linear factor puts its centre of mass on x wherever it lies inside the axis.

    `ratio` is output spacing divided by input spacing. The weights (n_out, n_in) have rows that sum
    to 1, or to 0 where the centre of the output voxel is beyond the outer faces of the input, which
    the second array (n_out,) tells. None if nothing changes.
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


def slice_weights(
    depths: NDArray[np.float64], centres: NDArray[np.float64], step: float
) -> NDArray[np.float32]:
    """Antialiased linear weights from unevenly spaced slices to places along their axis.

    The `depths` of the slices rise strictly. The scan is linear from slice to slice, and constant
    beyond the first and the last. A place takes the mean of that course under a triangle that
    reaches sqrt(step^2 - d^2) to each side, d being the longer of the steps beside a slice (between
    two slices, interpolated): linear interpolation alone spreads a slice over d, with a variance of
    d^2 / 6, and both together have step^2 / 6, the variance of the triangle of `axis_weights`.
    Where slices are farther apart than `step`, the distance of the places, nothing is averaged. The
    triangle never reaches beyond the outer slices. So linear functions are reproduced everywhere
    between them, and close slices do not count for more than the length that they stand for.
    Weights are (n_out, n_in), none negative.

    Examples
    --------
    >>> import numpy as np
    >>> slice_weights(np.array([0.0, 1.0, 5.0]), np.array([0.5, 2.0]), 1.0).tolist()
    [[0.5, 0.5, 0.0], [0.0, 0.75, 0.25]]
    """
    if len(depths) == 1:
        return np.ones((len(centres), 1), dtype=np.float32)
    steps = np.diff(depths)
    longer = np.maximum(np.append(steps, 0), np.append(0, steps))
    reach = np.sqrt(np.clip(step**2 - np.interp(centres, depths, longer) ** 2, 0, None))
    to_end = np.clip(np.minimum(centres - depths[0], depths[-1] - centres), 0, None)
    reach = np.minimum(reach, to_end)[:, None]
    distance = np.abs(centres[:, None] - depths)
    part = np.divide(distance, reach, out=np.ones_like(distance), where=distance < reach)
    # The mean of the distance under the triangle. A tent (what a slice contributes to the course)
    # is a second difference of distances, so its mean is one of these means.
    mean = np.where(part < 1, reach * (1 / 3 + part**2 - part**3 / 3), distance)
    slopes = np.diff(mean, axis=1) / steps
    weights = np.diff(slopes, axis=1, prepend=-1.0, append=1.0) / 2
    return np.clip(weights, 0, None).astype(np.float32)
