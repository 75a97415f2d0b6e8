"""Lesions put into volumes as a network reads them, so that scans without labels have some."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skedema._pretraining.views import HuRanges

Volume = NDArray[np.float32]

#: mm that the mean side of a grid is taken for, about what a prepared head has: arrays without
#: geometry are stretched onto the grid, so that its own spacing says nothing of them.
_SIDE = 170.0
#: Where lesions have their middle: within these half axes in mm, but not on the midline.
_REACH, _OFF_MIDLINE = (55.0, 65.0, 50.0), 12.0
#: mm of a lesion's radius and of its soft border; shares by which it is darker, or HU of its blood.
_RADIUS, _BORDER = (20.0, 40.0), 5.0
_DARKER, _BLOOD = (0.05, 0.3), (54.0, 68.0)
#: HU within which a voxel is what is around the head.
_SAME = 0.02


def with_lesion(volume: Volume, ranges: HuRanges, rng: np.random.Generator) -> Volume | None:
    """Put a lesion into tissue on one side: darker, as of water, or bright, as of blood.

    Shapes are those of the simulated cohort, and what is no tissue stays, as there (see
    `skedema.datasets.implant_edema`). None where there is too little tissue, as in what is no head.

    Parameters
    ----------
    volume : ndarray of shape (C, X, Y, Z)
        A volume, x running from left to right.
    ranges : tuple of (low, high)
        HU that became 0 and 1 in each channel; empty where the volume is in HU.
    rng : Generator
        Decides everything.

    Returns
    -------
    ndarray of shape (C, X, Y, Z) or None
        A new volume.
    """
    from skedema.datasets._grid import cover, draw_waves, lump  # nothing else needs the simulator

    limits = np.array(ranges or [(0.0, 1.0)] * len(volume), dtype=np.float32)
    low, width = (part.reshape(-1, 1, 1, 1) for part in (limits[:, 0], np.diff(limits)[:, 0]))
    hu = low + volume * width
    seen = hu[np.argmax(width)]
    tissue = np.clip((seen - 12) / 8, 0, 1) * np.clip((58 - seen) / 8, 0, 1)
    tissue *= np.abs(seen - seen[0, 0, 0]) > _SAME  # around a prepared head is its brain's median

    points = _points(seen.shape)
    side = 1 if rng.random() < 0.5 else -1
    within = ((points / np.array(_REACH, dtype=np.float32)[:, None]) ** 2).sum(axis=0) < 1
    within &= side * points[0] > _OFF_MIDLINE
    places = np.flatnonzero(within & (tissue.ravel() > 0.5))
    if len(places) < 0.1 * within.sum() or not len(places):
        return None
    center = points[:, rng.choice(places)]
    stretch = rng.uniform(0.8, 1.3, 3)
    distance = lump(points, tuple(center), tuple(stretch), draw_waves(rng, length=35.0))
    share = cover(distance - np.float32(rng.uniform(*_RADIUS)), _BORDER).reshape(seen.shape)
    share *= tissue
    if rng.random() < 0.5:
        hu *= 1 - np.float32(rng.uniform(*_DARKER)) * share
    else:
        hu += share * (np.float32(rng.uniform(*_BLOOD)) - hu)
    changed: Volume = (hu - low) / width
    return np.clip(changed, 0, 1) if ranges else changed


def _points(shape: tuple[int, ...]) -> Volume:
    """Places of voxels in mm from the middle of the grid, (3, n)."""
    step = _SIDE / np.mean(shape)
    axes = [(np.arange(n, dtype=np.float32) - (n - 1) / 2) * step for n in shape]
    return np.stack(np.meshgrid(*axes, indexing="ij")).reshape(3, -1).astype(np.float32)
