"""Shapes of masks in mm, on a grid coarse enough to be quick."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Steps = NDArray[np.float64]


def coarse_factors(shape: Sequence[int], spacing: Steps, mm: float) -> tuple[int, ...]:
    """How many voxels of each axis make one of at most `mm`; 1 where they are larger already."""
    return tuple(max(1, min(n, int(mm / step))) for n, step in zip(shape, spacing, strict=True))


def block_means(volume: NDArray[Any], factors: Sequence[int]) -> NDArray[np.float32]:
    """Mean of each block of voxels; the last block of an axis may be smaller."""
    result: NDArray[Any] = volume
    for axis, factor in enumerate(factors):
        if factor > 1:
            starts = np.arange(0, result.shape[axis], factor)
            sums = np.add.reduceat(result, starts, axis=axis, dtype=np.float32)
            sizes = np.diff(np.append(starts, result.shape[axis])).astype(np.float32)
            result = sums / sizes.reshape([-1 if k == axis else 1 for k in range(3)])
    return np.asarray(result, dtype=np.float32)


def expand(mask: Mask, factors: Sequence[int], box: tuple[slice, ...]) -> Mask:
    """Voxels of a mask of blocks within a box of the fine grid."""
    index = [np.arange(part.start, part.stop) // f for part, f in zip(box, factors, strict=True)]
    return np.asarray(mask[np.ix_(*index)])


def largest(mask: Mask, touching: int = 1) -> Mask:
    """Keep the largest component; `touching` 3 joins voxels by edges and corners, 1 by faces."""
    from scipy import ndimage

    labels, count = ndimage.label(mask, ndimage.generate_binary_structure(3, touching))
    if count < 2:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(labels == sizes.argmax())


def shrink(mask: Mask, mm: float, spacing: Steps) -> Mask:
    """Erode by a ball. What lies beyond the array is not known, and takes nothing away."""
    from scipy import ndimage

    if mask.all():
        return mask
    return np.asarray(ndimage.distance_transform_edt(mask, sampling=spacing) > mm)


def grow(mask: Mask, mm: float, spacing: Steps) -> Mask:
    """Dilate by a ball."""
    from scipy import ndimage

    if not mask.any():
        return mask
    return np.asarray(ndimage.distance_transform_edt(~mask, sampling=spacing) <= mm)


def bounds(mask: Mask) -> list[tuple[int, int]]:
    """First and last index of each axis at which a mask that is not empty has a voxel."""
    spans = []
    for axis in range(3):
        there = np.flatnonzero(mask.any(axis=tuple(k for k in range(3) if k != axis)))
        spans.append((int(there[0]), int(there[-1])))
    return spans
