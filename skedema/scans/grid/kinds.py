"""Weights of the interpolations besides the linear one: cubic splines, areas, nearest voxels.

As in `skedema.scans.grid.weights`, voxel i of an axis is a box from i - 1/2 to i + 1/2. Places are
indices into the axis, also where its slices are not evenly spaced.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Kind = Literal["linear", "cubic", "area", "nearest"]

_EDGE = 12  # voxels like the outer one beyond each end of a spline, as SciPy has them
_NOTHING = 1e-9  # a weight below is none, so that few columns serve a row
_TOUCH = 1e-6  # of a voxel; boxes that share less only touch by rounding


@lru_cache(maxsize=256)
def kind_weights(
    kind: Kind, n_in: int, n_out: int, ratio: float
) -> tuple[NDArray[np.float32] | None, NDArray[np.bool_]]:
    """Weights (n_out, n_in) from an axis to another with the same centre, by another kind.

    All else is as in `axis_weights`.
    """
    steps = np.arange(n_out, dtype=np.float64) - (n_out - 1) / 2
    centres: Floats = (n_in - 1) / 2 + steps * np.float64(ratio)
    outside = (centres < -0.5 - _TOUCH) | (centres > n_in - 0.5 + _TOUCH)
    if n_in == n_out and abs(ratio - 1.0) * n_in < 1e-6:
        return None, outside
    if kind == "cubic":
        weights = spline_weights(n_in, centres)
    elif kind == "area":
        weights = area_weights(np.arange(n_in + 1, dtype=np.float64) - 0.5, centres, ratio)
    else:
        weights = nearest_weights(np.arange(n_in, dtype=np.float64), centres)
    weights[outside] = 0
    weights.flags.writeable = outside.flags.writeable = False
    return weights, outside


def uneven_weights(
    kind: Kind, depths: Floats, faces: tuple[float, float], centres: Floats, ratio: float
) -> NDArray[np.float32]:
    """Weights (n_out, n_in) from slices at `depths` that rise strictly; `faces` are the outer ones.

    A slice reaches halfway to its neighbours. The spline goes through the slices where they lie, is
    straight at its ends (a natural one) and constant beyond.
    """
    if len(depths) == 1:
        return np.ones((len(centres), 1), dtype=np.float32)
    if kind == "area":
        between = (depths[1:] + depths[:-1]) / 2
        return area_weights(np.array([faces[0], *between, faces[1]]), centres, ratio)
    if kind == "nearest":
        return nearest_weights(depths, centres)
    from scipy.interpolate import CubicSpline

    course = CubicSpline(depths, np.eye(len(depths)), bc_type="natural")
    return _without_traces(course(np.clip(centres, depths[0], depths[-1])))


def spline_weights(n_in: int, centres: Floats) -> NDArray[np.float32]:
    """Cubic B-spline interpolation, constant beyond the ends.

    It is what ``scipy.ndimage.map_coordinates(order=3, mode="nearest")`` computes along one axis.

    Examples
    --------
    >>> import numpy as np
    >>> spline_weights(9, np.array([4.0, 4.5]))[:, 3:7].round(2)
    array([[ 0.  ,  1.  ,  0.  ,  0.  ],
           [-0.13,  0.6 ,  0.6 , -0.13]], dtype=float32)
    """
    from scipy import ndimage

    padded = np.pad(np.eye(n_in), ((_EDGE, _EDGE), (0, 0)), mode="edge")
    coefficients = ndimage.spline_filter1d(padded, order=3, axis=0, mode="mirror")
    places = np.clip(centres + _EDGE, 1, len(padded) - 3)
    first = np.floor(places).astype(np.intp)
    part = (places - first)[:, None]
    weights = (1 - part) ** 3 / 6 * coefficients[first - 1]
    weights += (2 / 3 - part**2 + part**3 / 2) * coefficients[first]
    weights += (2 / 3 - (1 - part) ** 2 + (1 - part) ** 3 / 2) * coefficients[first + 1]
    weights += part**3 / 6 * coefficients[first + 2]
    return _without_traces(weights)


def area_weights(faces: Floats, centres: Floats, ratio: float) -> NDArray[np.float32]:
    """Means over all boxes that an output voxel touches, each counted with its whole length.

    With a grid stretched over the axis this is adaptive average pooling, the "area" of
    ``torch.nn.functional.interpolate``. Boxes lie between `faces` (n_in + 1,).

    Examples
    --------
    >>> import numpy as np
    >>> area_weights(np.arange(4.0), np.array([0.75, 2.25]), 1.5).tolist()
    [[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]]
    """
    half, touch = ratio / 2, _TOUCH * min(1.0, ratio)
    low, high = (centres - half + touch)[:, None], (centres + half - touch)[:, None]
    weights = np.where((faces[1:] > low) & (faces[:-1] < high), np.diff(faces), 0.0)
    total = weights.sum(axis=1, keepdims=True)
    return np.asarray(weights / np.where(total > 0, total, 1.0), dtype=np.float32)


def nearest_weights(places: Floats, centres: Floats) -> NDArray[np.float32]:
    """Take the voxel whose place is nearest; of two as near, the first one.

    Examples
    --------
    >>> import numpy as np
    >>> nearest_weights(np.arange(3.0), np.array([0.5, 1.6])).tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    between = (places[1:] + places[:-1]) / 2
    nearest = np.searchsorted(between, centres - _TOUCH)
    weights = np.zeros((len(centres), len(places)), dtype=np.float32)
    weights[np.arange(len(centres)), nearest] = 1
    return weights


def _without_traces(weights: Floats) -> NDArray[np.float32]:
    weights = np.where(np.abs(weights) < _NOTHING, 0.0, weights)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)
