"""Slices whose pixels are unlike those of their neighbours, so that their tags cannot be right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from skedema.scans._dicom_slice import Slice
from skedema.scans._dicom_words import some
from skedema.scans.errors import ScanError

#: What is above (HU) is the head, and compared; fewer pixels than these tell nothing.
_HEAD, _TELLING = -300.0, 50

#: Differences (HU) that are too small to tell, and to matter: noise of a slice is about as large.
_SMALL = 2.0


def check_values(
    voxels: NDArray[np.float32],
    slices: Sequence[Slice],
    read: Callable[[Slice], NDArray[np.float32]],
) -> list[str]:
    """Check slices whose pixels are stored in another way than most, and those that are blank.

    A few may lawfully have another slope, intercept or number of bits. Their HU then are those of
    the slices beside them. Where they are rather so when read in the way of the others, their own
    tags are wrong.

    Parameters
    ----------
    voxels : ndarray of shape (n, rows, columns)
        HU.
    slices : sequence of n Slice
        From bottom to top.
    read : callable
        Gives the HU of a slice, as its tags say.

    Returns
    -------
    list of str
        Warnings.

    Raises
    ------
    ScanError
        If tags of a slice are wrong, or one between others is blank.
    """
    ways = [(one.slope, one.intercept, one.coding) for one in slices]
    usual, count = Counter(ways).most_common(1)[0]
    unsure = []
    if 2 * count > len(slices):
        slope, intercept, coding = usual
        for k in (k for k, way in enumerate(ways) if way != usual):
            other = replace(slices[k], slope=slope, intercept=intercept, coding=coding)
            near = [m for m in (k - 1, k + 1) if 0 <= m < len(slices) and ways[m] == usual]
            own_fits = _fits(voxels, k, near, other, read)
            if own_fits is False:
                raise ScanError(
                    f"{slices[k].label}: its pixels go with those of the slices beside it when "
                    f"read as these are ({_way(usual)}), not as its own tags say "
                    f"({_way(ways[k])}); export the exam again"
                )
            if own_fits is None:
                unsure.append(slices[k].label)
    told = []
    if unsure:
        told.append(
            f"{some(unsure, 'slice')} stored in another way than the others (slope, intercept or "
            "bits), and their pixels do not tell whether that is right; look at them"
        )
    return told + _blank(voxels, slices)


def _fits(
    voxels: NDArray[np.float32],
    k: int,
    near: list[int],
    other: Slice,
    read: Callable[[Slice], NDArray[np.float32]],
) -> bool | None:
    """Say whether a slice goes with its neighbours as it is, rather than as others are read."""
    if not near:
        return None
    beside = np.mean([voxels[m] for m in near], axis=0)
    try:
        as_others = read(other)
    except ScanError:
        return True
    head = beside > _HEAD
    if head.sum() < _TELLING:
        return None
    off, off_then = (float(np.median((each - beside)[head])) for each in (voxels[k], as_others))
    apart = abs(off - off_then)
    if apart < _SMALL:
        return True
    if abs(abs(off) - abs(off_then)) <= apart / 2:
        return None
    return abs(off) < abs(off_then)


def _way(way: tuple[float, float, tuple[str, ...]]) -> str:
    slope, intercept, (allocated, stored, high, signed) = way
    sign = "signed" if signed == "1" else "unsigned"
    return (
        f"slope {slope:g}, intercept {intercept:g}, {stored} bits of {allocated} up to bit {high}, "
        f"{sign}"
    )


def _blank(voxels: NDArray[np.float32], slices: Sequence[Slice]) -> list[str]:
    blank = np.array([one.min() == one.max() for one in voxels])
    if not blank.any() or 2 * blank.sum() > len(slices):
        return []
    full = np.flatnonzero(~blank)
    empty = np.flatnonzero(blank).tolist()
    inside = [k for k in empty if full[0] < k < full[-1]]
    if inside:
        raise ScanError(
            f"{some([slices[k].label for k in inside], 'slice')} blank, with "
            f"{voxels[inside[0], 0, 0]:g} HU everywhere, between others that are not; "
            "export the exam again"
        )
    return [
        f"{some([slices[k].label for k in empty], 'slice')} blank at the end of "
        f"the series, with {voxels[blank][0, 0, 0]:g} HU everywhere; they are kept"
    ]
