"""The three matrix products, an axis each, that bring a scan onto a grid."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

Limits = tuple[float, float] | None
Table = tuple[NDArray[np.float32] | None, NDArray[np.bool_]]
Band = tuple[slice, slice, NDArray[np.float32]]

_BAND = 8  # rows of weights that share their columns


def products(
    hu: NDArray[Any],
    tables: list[Table],
    fill: float,
    limits: Limits,
    one_way: Collection[int] = (),
) -> NDArray[np.float32]:
    """Multiply each axis of a scan by its weights, plane by plane, clipped to `limits` first.

    Weights are zero but in a band, so that a few columns serve many rows, and a plane is converted,
    clipped and reduced while it is in the cache: nothing as large as the scan is made.

    `hu` is of any real type; views that are flipped or permuted are welcome. `tables` are weights
    (n_out, n_in) an axis, None to leave it as it is, and which of the results lie outside and
    become `fill`. `one_way` are the axes whose weights have no symmetry.
    """
    # Most weights are symmetric, so a flipped view is worked on as it lies in memory and the small
    # result is flipped; likewise for permuted axes. Neither copies the scan.
    unflip = tuple(slice(None, None, -1 if step < 0 else 1) for step in hu.strides)
    order = sorted(range(3), key=lambda axis: -abs(hu.strides[axis]))
    data = hu[unflip].transpose(order)
    matrices = [weights for weights, _ in tables]
    for axis in one_way:
        if hu.strides[axis] < 0 and (one := matrices[axis]) is not None:
            matrices[axis] = one[::-1, ::-1]
    slow, middle, fast = (matrices[axis] for axis in order)
    fast_bands, middle_bands = _bands(fast), _bands(middle)
    n_middle = data.shape[1] if middle is None else len(middle)
    n_fast = data.shape[2] if fast is None else len(fast)
    small = np.empty((len(data), n_middle, n_fast), dtype=np.float32)
    plane = np.empty(data.shape[1:], dtype=np.float32)  # it fits into the cache
    for given, reduced in zip(data, small, strict=True):
        plane[...] = given
        if limits is not None:
            np.clip(plane, np.float32(limits[0]), np.float32(limits[1]), out=plane)
        reduced[:] = _weigh(fast_bands, _weigh(middle_bands, plane).T).T
    if slow is not None:
        small = (slow @ small.reshape(len(small), -1)).reshape(-1, n_middle, n_fast)
    result = np.array(small.transpose(np.argsort(order))[unflip], order="C")
    for axis, (_, outside) in enumerate(tables):
        np.moveaxis(result, axis, 0)[outside] = fill
    return result


def _bands(weights: NDArray[np.float32] | None) -> list[Band] | None:
    """Cut weights into groups of rows and the few columns that are not zero there."""
    if weights is None:
        return None
    bands = []
    for start in range(0, len(weights), _BAND):
        rows = weights[start : start + _BAND]
        used = np.flatnonzero(rows.any(axis=0))
        columns = slice(used[0], used[-1] + 1) if len(used) else slice(0, 1)
        block = np.ascontiguousarray(rows[:, columns])
        bands.append((slice(start, start + len(rows)), columns, block))
    return bands


def _weigh(bands: list[Band] | None, plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give ``weights @ plane``."""
    if bands is None:
        return plane
    weighed = np.empty((bands[-1][0].stop, plane.shape[1]), dtype=np.float32)
    for rows, columns, block in bands:
        np.matmul(block, plane[columns], out=weighed[rows])
    return weighed
