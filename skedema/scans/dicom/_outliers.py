"""Slices whose pixels are unlike those of their neighbours, so that their tags cannot be right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from skedema.scans.dicom._slice import Slice
from skedema.scans.dicom._words import some
from skedema.scans.errors import ScanError

#: What is above (HU) is the head, compared first; fewer pixels than these tell nothing.
_HEAD, _TELLING = -300.0, 20

#: Differences (HU) that are too small to tell, and to matter: noise of a slice is about as large.
_SMALL = 2.0

#: A slice is unlike its neighbours where these differ so much less from each other than it does
#: from either. In 83 real exams (tests/scans/dicom/test_outliers.py) the least quotient is 1.19.
_UNLIKE = 0.85

#: Mean difference (HU) of whole slices below which they are alike: a hair clip in air, say.
_SLIGHT = 0.5

#: Soft tissue and a little around (HU): what is compared of it.
_TISSUE = (-200.0, 200.0)


def check_values(
    voxels: NDArray[np.float32],
    slices: Sequence[Slice],
    read: Callable[[Slice], NDArray[np.float32]],
) -> list[str]:
    """Check slices stored in another way than most, blank ones, and those out of place.

    `voxels` (n, rows, columns) are HU, `slices` run from bottom to top, `read` gives the HU of a
    slice as its tags say. A few may lawfully have another slope, intercept, padding or number of
    bits. Their HU then are those of the slices beside them. Where they are rather so when read in
    the way of the others, their own tags are wrong, which is an error; so is a blank slice between
    others. Gives warnings of what is in doubt.
    """
    ways = [(one.slope, one.intercept, one.padding, one.coding) for one in slices]
    usual, count = Counter(ways).most_common(1)[0]
    unsure = []
    if 2 * count > len(slices):
        slope, intercept, padding, coding = usual
        for k in (k for k, way in enumerate(ways) if way != usual):
            other = replace(
                slices[k], slope=slope, intercept=intercept, padding=padding, coding=coding
            )
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
    return told + _blank(voxels, slices) + _unlike(voxels, slices)


def _fits(
    voxels: NDArray[np.float32],
    k: int,
    near: list[int],
    other: Slice,
    read: Callable[[Slice], NDArray[np.float32]],
) -> bool | None:
    """Say whether a slice goes with its neighbours as it is, rather than as others are read."""
    try:
        as_others = read(other)
    except ScanError:
        return True
    differ = np.abs(voxels[k] - as_others) >= _SMALL
    if not differ.any():
        return True
    if not near:
        return None
    beside = np.mean([voxels[m] for m in near], axis=0)
    head = differ & (beside > _HEAD)
    where = head if head.sum() >= _TELLING else differ
    off, off_then = (float(np.median((each - beside)[where])) for each in (voxels[k], as_others))
    if abs(abs(off) - abs(off_then)) <= abs(off - off_then) / 2:
        return None
    return abs(off) < abs(off_then)


def _way(way: tuple[float, float, tuple[int, int] | None, tuple[str, ...]]) -> str:
    slope, intercept, padding, (allocated, stored, high, signed) = way
    sign = "signed" if signed == "1" else "unsigned"
    pads = "no padding" if padding is None else f"padding {padding[0]} to {padding[1]}"
    return (
        f"slope {slope:g}, intercept {intercept:g}, {stored} bits of {allocated} up to bit {high}, "
        f"{sign}, {pads}"
    )


def _blank(voxels: NDArray[np.float32], slices: Sequence[Slice]) -> list[str]:
    blank = np.array([_is_blank(one) for one in voxels])
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


def _is_blank(image: NDArray[np.float32]) -> bool:
    first = image[0, 0]
    return bool((image[::16, ::16] == first).all() and (image == first).all())  # few are


def _unlike(voxels: NDArray[np.float32], slices: Sequence[Slice]) -> list[str]:
    """Find slices that lie between two which are like each other, but not like them."""
    if len(slices) < 3:
        return []
    coarse = np.clip(voxels[:, ::4, ::4], *_TISSUE)
    to_next = np.abs(np.diff(coarse, axis=0)).mean(axis=(1, 2))
    across = np.abs(coarse[2:] - coarse[:-2]).mean(axis=(1, 2))
    least = np.minimum(to_next[1:], to_next[:-1])
    odd = np.flatnonzero((least >= _SLIGHT) & (across < _UNLIKE * least)) + 1
    if not len(odd):
        return []
    labels = [slices[k].label for k in odd.tolist()]
    return [
        f"{some(labels, 'slice')} unlike those on both sides, which are like each other: of "
        "another place, pass or patient, or the patient moved; look at them"
    ]
