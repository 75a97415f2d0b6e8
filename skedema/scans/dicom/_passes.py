"""Passes of the scanner over the same place, kept apart: one of them is the scan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from skedema.scans.dicom._geometry import SAME
from skedema.scans.dicom._slice import Slice
from skedema.scans.dicom._words import runs
from skedema.scans.errors import ScanError

#: A pause between passes is so many times longer than any within one, and so long (s).
_LONGER, _PAUSE = 3.0, 1.0

#: Passes half a step apart lie half as far from one another as their own slices do.
_ABOUT = 0.75

#: Least slices of a pass that only the numbers of its images tell: in numbers without order, so
#: many in a row do not rise by chance.
_LEAST = 5


def one_pass(
    slices: Sequence[Slice], normal: NDArray[np.float64], acquisition: int | None
) -> list[Slice]:
    """Give the slices of one pass, where a series holds several over the same place.

    Acquisitions one above the other (step and shoot) are one pass. `acquisition` is the
    AcquisitionNumber of the pass that is wanted, of no effect where there is only one. Where there
    are several and none was chosen, an error lists them.
    """
    heights = {id(one): float(one.position @ normal) for one in slices}
    passes = _joined(_units(slices, heights), heights)
    if len(passes) == 1:
        return list(slices)
    found = [each for each in passes if acquisition in {one.acquisition for one in each}]
    if acquisition is not None and len(found) == 1:
        kept = {id(one) for one in found[0]}
        return [one for one in slices if id(one) in kept]
    listed = "\n".join(f"  {_describe(each, heights)}" for each in passes[:20])
    numbers = [{one.acquisition for one in each if one.acquisition is not None} for each in passes]
    told_apart = all(numbers) and sum(map(len, numbers)) == len(set().union(*numbers))
    which = f"acquisition={min(min(each) for each in numbers)}" if told_apart else ""
    what = f"holds {len(passes)} passes over the same place"
    if acquisition is not None:
        what += f", {len(found) or 'none'} of them with acquisition {acquisition}"
    choose = f"choose one, e.g. VolumeReader({which}), or " if which else ""
    raise ScanError(f"{what}; {choose}give the list of files that make up one:\n{listed}")


def _units(slices: Sequence[Slice], heights: dict[int, float]) -> list[list[Slice]]:
    """Group slices by all that tells passes apart, in the order in which they were acquired."""
    counts = Counter((one.series, one.kind) for one in slices)
    usual = counts.most_common(1)[0][0]
    groups: dict[object, list[Slice]] = {}
    for one in slices:
        kind = (one.series, one.kind)
        kind = kind if counts[kind] > 1 else usual  # a single slice is no pass
        groups.setdefault((one.acquisition, kind), []).append(one)
    units = [part for each in groups.values() for part in _by_time(each, heights)]
    units = [part for each in units for part in _by_number(each, heights)]

    def first(unit: list[Slice]) -> tuple[float, ...]:
        values = ([s.acquisition for s in unit], [s.time for s in unit], [s.number for s in unit])
        return tuple(min((v for v in each if v is not None), default=-1) for each in values)

    return sorted(units, key=first)


def _joined(units: list[list[Slice]], heights: dict[int, float]) -> list[list[Slice]]:
    """Join each to the one before, unless it lies in the same place."""
    passes = units[:1]
    for unit in units[1:]:
        alone = len(unit) == 1 and _fills_a_gap(passes[-1], unit[0], heights)
        if not alone and _overlap(passes[-1], unit, heights):
            passes.append(unit)
        else:
            passes[-1] = passes[-1] + unit
    return passes


def _overlap(one: Sequence[Slice], other: Sequence[Slice], heights: dict[int, float]) -> bool:
    """Say whether a slice of either lies within the other, or at its ends."""
    for inner, outer in ((one, other), (other, one)):
        low, high = _range(outer, heights)
        if any(low - SAME <= heights[id(each)] <= high + SAME for each in inner):
            return True
    return False


def _fills_a_gap(slices: Sequence[Slice], one: Slice, heights: dict[int, float]) -> bool:
    """Say whether a slice lies about as far from others as these do from one another."""
    every = np.sort([heights[id(each)] for each in slices])
    away = np.abs(every - heights[id(one)]).min()
    return len(every) > 1 and bool(away > _ABOUT * np.median(np.diff(every)))


def _range(slices: Sequence[Slice], heights: dict[int, float]) -> tuple[float, float]:
    every = [heights[id(one)] for one in slices]
    return min(every), max(every)


def _by_time(slices: list[Slice], heights: dict[int, float]) -> list[list[Slice]]:
    """Cut slices by their times, where those of different ones lie in one place."""
    times = {one.time for one in slices}
    if len(times) == 1 or None in times:
        return [slices]
    order = sorted(slices, key=lambda one: one.time or 0.0)
    every = [list(part) for _, part in groupby(order, key=lambda one: one.time)]
    if _are_passes(every, heights):
        return every
    pauses = np.diff([one.time or 0.0 for one in order])
    cut = int(pauses.argmax()) + 1
    within = np.delete(pauses, cut - 1).max(initial=0.0)
    halves = [order[:cut], order[cut:]]
    if pauses[cut - 1] < max(_PAUSE, _LONGER * within) or not _are_passes(halves, heights):
        return [slices]
    return [part for half in halves for part in _by_time(half, heights)]


def _are_passes(parts: list[list[Slice]], heights: dict[int, float]) -> bool:
    """Say whether each has several slices, and lies where the one before does."""
    several = all(len(part) > 1 for part in parts)
    return several and all(_overlap(one, other, heights) for one, other in pairwise(parts))


def _by_number(slices: list[Slice], heights: dict[int, float]) -> list[list[Slice]]:
    """Cut slices where their numbers go on, but their places begin anew."""
    if len(slices) < 2 * _LEAST or len({one.number for one in slices} - {None}) < len(slices):
        return [slices]
    order = sorted(slices, key=lambda one: one.number or 0)
    steps = np.diff([heights[id(one)] for one in order])
    usual = np.sign(np.median(steps))
    cuts = [0, *(np.flatnonzero(np.sign(steps) != usual) + 1).tolist(), len(order)]
    parts = [order[a:b] for a, b in pairwise(cuts)]
    if min(map(len, parts)) < _LEAST or not _are_passes(parts, heights):
        return [slices]
    return parts


def _describe(slices: Sequence[Slice], heights: dict[int, float]) -> str:
    low, high = _range(slices, heights)
    first = slices[0]
    acquisitions = sorted({one.acquisition for one in slices if one.acquisition is not None})
    numbers = sorted({one.number for one in slices if one.number is not None})
    parts = [
        f"acquisition {runs(acquisitions) or 'not stated'}: {len(slices)} slices",
        f"{low:.1f} to {high:.1f} mm",
        f"contrast {first.kind[1] or 'not stated'}",
        f"kernel {first.kind[2] or 'not stated'}",
    ]
    parts += [f"{first.kind[3]} kV"] if first.kind[3] else []
    parts += [f"phase {first.kind[0]}"] if first.kind[0] else []
    parts += [f"images {runs(numbers)}"] if numbers else []
    return ", ".join(parts) + f", {first.label} and others"
