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
            along = np.moveaxis(result, axis, 0)
            sums = along[::factor].astype(np.float32)
            for k in range(1, factor):
                part = along[k::factor]
                sums[: len(part)] += part
            sizes = np.full((len(sums), 1, 1), factor, dtype=np.float32)
            sizes[-1] = len(along) - (len(sums) - 1) * factor
            result = np.moveaxis(sums / sizes, 0, axis)
    return np.asarray(result, dtype=np.float32)


def expand(
    blocks: NDArray[Any], factors: Sequence[int], box: tuple[slice, ...], like: NDArray[Any]
) -> NDArray[Any]:
    """Voxels of a box of blocks, shaped and laid out in memory `like` the voxels there."""
    order = np.argsort(np.abs(like.strides))[::-1]
    fine = blocks[box].transpose(order)
    for axis, k in enumerate(order):
        if factors[k] > 1:
            fine = fine.repeat(factors[k], axis)
    part = tuple(slice(n) for n in like.shape)
    return np.asarray(fine.transpose(np.argsort(order))[part])


def voxels_of(box: tuple[slice, ...], factors: Sequence[int]) -> tuple[slice, ...]:
    """Turn a box of blocks into that of their voxels."""
    return tuple(slice(p.start * f, p.stop * f) for p, f in zip(box, factors, strict=True))


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
    return ~grow(~mask, mm, spacing)


def fill_holes(mask: Mask) -> Mask:
    """Fill what is closed in by a mask: background without a way along faces to the outside."""
    from scipy import ndimage

    labels, count = ndimage.label(~mask)
    outside = np.zeros(count + 1, dtype=bool)
    for axis in range(3):
        for end in (0, -1):
            outside[np.take(labels, end, axis=axis)] = True
    outside[0] = False  # the mask itself
    return np.asarray(~outside[labels])


def grow(mask: Mask, mm: float, spacing: Steps) -> Mask:
    """Dilate by a ball: the union of its lines along the first axis, each a shifted run.

    For balls of a few voxels this is many times quicker than a distance transform.
    """
    if not mask.any():
        return mask
    reach = [int(mm / step) for step in spacing]
    box = tuple(
        slice(max(0, part.start - r), part.stop + r)
        for part, r in zip(box_of(mask), reach, strict=True)
    )
    part, grown = mask[box], np.zeros_like(mask)
    across = np.hypot.outer(
        *(np.arange(-r, r + 1) * mm for r, mm in zip(reach[1:], spacing[1:], strict=True))
    )
    run = part.copy(order="K")
    for k in range(reach[0] + 1):
        _add(run, part, (k, 0, 0))
        _add(run, part, (-k, 0, 0))
        ends_here = np.hypot(k * spacing[0], across) <= mm
        ends_here &= np.hypot((k + 1) * spacing[0], across) > mm
        for j, m in np.argwhere(ends_here):
            _add(grown[box], run, (0, j - reach[1], m - reach[2]))
    return grown


def _add(to: Mask, mask: Mask, steps: tuple[int, int, int]) -> None:
    """Add a mask that is shifted by so many voxels."""
    sizes = list(zip(to.shape, steps, strict=True))
    there = tuple(slice(max(0, step), max(0, n + min(0, step))) for n, step in sizes)
    here = tuple(slice(max(0, -step), max(0, n - max(0, step))) for n, step in sizes)
    to[there] |= mask[here]


def box_of(mask: Mask) -> tuple[slice, ...]:
    """Find the box of a mask that is not empty."""
    spans = []
    for axis in range(3):
        there = np.flatnonzero(mask.any(axis=tuple(k for k in range(3) if k != axis)))
        spans.append(slice(int(there[0]), int(there[-1]) + 1))
    return tuple(spans)
