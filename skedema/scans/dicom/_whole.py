"""Whether a series is whole: by the places, the numbers and the stated count of its slices."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from skedema.scans.dicom._geometry import SAME, STRAIGHT, find_gaps
from skedema.scans.dicom._series import File
from skedema.scans.dicom._slice import FARTHEST, Slice, frames_of
from skedema.scans.dicom._tags import Tags
from skedema.scans.dicom._words import runs, some
from skedema.scans.errors import ScanError

#: The longest gap (mm) that is bridged, with a warning, where there is reason to. Steps up to it
#: are usual in head CT (3 to 7.5 mm): interpolating across does no more harm than in other exams.
BRIDGED = 7.5

#: So few of the slices are the exception among them.
_FEW = 0.2

#: How far (mm) SliceLocation may lie off what the positions say.
_LOCATED = 0.5


def check_whole(
    slices: Sequence[Slice],
    heights: NDArray[np.float64],
    left_out: Sequence[File],
    others: Sequence[Slice],
    listed: bool,
) -> list[str]:
    """Check that no slice of a series is missing.

    `slices` run from bottom to top, no two at one place, `heights` are their places along their
    normal in mm; `left_out` are DICOM files that were left out, `others` slices of another pass or
    at the place of one of these.

    A gap between slices is an error, unless it is at most `BRIDGED` mm and either the numbers of
    the slices run on or the user listed the files. All else is a warning.
    """
    beside = [t.whole("InstanceNumber") for t in _of_series(left_out, slices[0].series)]
    taken = [*beside, *(one.number for one in others)]
    numbers = [one.number for one in slices if one.number is not None]
    numbered = len(numbers) == len(set(numbers)) == len(slices)
    lacking = (
        sorted(set(range(min(numbers), max(numbers))) - {*numbers, *taken}) if numbered else []
    )
    if len(lacking) > 9 * len(slices):  # numbers of another kind
        numbered, lacking = False, []
    told = _gaps(slices, heights, numbered and not lacking, listed)
    if lacking:
        told.append(
            f"InstanceNumber {runs(lacking)} missing between {min(numbers)} and {max(numbers)}: "
            f"{_slices(len(lacking))} may be lost, unless the numbers count in steps; export the "
            "whole series"
        )
    lowest = min(slices, key=lambda one: one.number or 0)
    # Of a later acquisition, those before may be another pass.
    first = not listed and (lowest.acquisition or 0) <= 1
    # Beyond as many as there are, the numbers rather count on from another series.
    before = min(numbers, default=1) - 1
    if numbered and first and 0 < before <= len(slices) and not {*range(1, before + 1)} <= {*taken}:
        told.append(
            f"InstanceNumber begins at {min(numbers)}: slices before may be lost; export the "
            "whole series"
        )
    promised = {(one.acquisition, one.promised or 0) for one in slices}
    most = promised.pop()[1] if len(promised) == 1 else 0
    if most > len(slices) + len(beside) + len(others):
        told.append(
            f"there are {len(slices)} slices, but the series states {most} (ImagesInAcquisition "
            "or the like); export the whole series"
        )
    strays = _fitting(left_out, slices, heights)
    if strays:
        told.append(
            f"{some(strays)} left out, though they fit into the series: other SeriesInstanceUID, "
            "ImageType or SOPClassUID; give the list of its files if they belong to it"
        )
    return told + _out_of_turn(slices, heights) + _elsewhere(slices, heights)


def _gaps(
    slices: Sequence[Slice], heights: NDArray[np.float64], run_on: bool, listed: bool
) -> list[str]:
    told = []
    for k, usual in find_gaps(heights):
        where = (
            f"between positions {heights[k]:.2f} and {heights[k + 1]:.2f} mm ({slices[k].label} "
            f"and {slices[k + 1].label}), where steps are {usual:.2f} mm"
        )
        if heights[k + 1] - heights[k] > BRIDGED:
            raise ScanError(f"slices are missing {where}; export the whole series")
        if not (run_on or listed):
            raise ScanError(
                f"slices are missing {where}; export the whole series, or give the list of its "
                "files to have the gap bridged"
            )
        told.append(where)
    if not told:
        return []
    why = "the numbers of the slices run on" if run_on else "the list of files was given"
    more = f", and {len(told) - 1} more gaps" if len(told) > 1 else ""
    return [f"a gap {told[0]}{more}: bridged by interpolation, as {why}"]


def _out_of_turn(slices: Sequence[Slice], heights: NDArray[np.float64]) -> list[str]:
    """Find the few slices whose numbers are not in the order of their places."""
    pairs = sorted((one.number, k) for k, one in enumerate(slices) if one.number is not None)
    if len(pairs) < max(len(slices), 5):
        return []
    places = [k for _, k in pairs]
    kept = min(_not_rising(places), _not_rising([-k for k in places]), key=len)
    if not kept or len(kept) > _FEW * len(slices):
        return []
    labels = [slices[abs(k)].label for k in kept]
    return [
        f"{some(labels, 'slice')} out of turn: InstanceNumber and ImagePositionPatient "
        "disagree; the positions are used, export the exam again if these are wrong"
    ]


def _not_rising(values: list[int]) -> list[int]:
    """Give what is not in the longest rising subsequence (patience sorting)."""
    tops: list[int] = []
    at: list[int] = []
    for value in values:
        k = bisect_left(tops, value)
        tops[k : k + 1] = [value]
        at.append(k)
    want = len(tops) - 1
    dropped = []
    for value, k in zip(reversed(values), reversed(at), strict=True):
        if k == want:
            want -= 1
        else:
            dropped.append(value)
    return dropped


def _elsewhere(slices: Sequence[Slice], heights: NDArray[np.float64]) -> list[str]:
    """Find the few slices whose SliceLocation is not where their position is."""
    if len(slices) < 5 or any(one.location is None for one in slices):
        return []
    located = np.array([one.location for one in slices], dtype=np.float64)
    with np.errstate(all="ignore"):
        slope = float(np.median(np.diff(located) / np.diff(heights)))
    if not 0.5 < abs(slope) < 2:  # of another kind
        return []
    off = located - slope * heights
    off = np.abs(off - np.median(off))
    odd = np.flatnonzero(off > _LOCATED).tolist()
    if not odd or len(odd) > _FEW * len(slices):
        return []
    return [
        f"{some([slices[k].label for k in odd], 'slice')} elsewhere: SliceLocation and "
        "ImagePositionPatient disagree; the positions are used, export the exam again if these "
        "are wrong"
    ]


def _of_series(files: Sequence[File], series: str) -> list[Tags]:
    every = [Tags([header], file.label) for file, header in files]
    return [tags for tags in every if tags.text("SeriesInstanceUID") == series]


def _fitting(
    left_out: Sequence[File], slices: Sequence[Slice], heights: NDArray[np.float64]
) -> list[str]:
    """Find what was left out though it would be one more slice, in line with the others."""
    first, last = slices[0], slices[-1]
    line = (last.position - first.position) / (heights[-1] - heights[0])
    normal = np.cross(first.orientation[:3], first.orientation[3:])
    series = [Tags([header], file.label).text("SeriesInstanceUID") for file, header in left_out]
    labels = []
    for (file, header), uid in zip(left_out, series, strict=True):
        if uid != first.series and series.count(uid) > 1:
            continue
        for tags in frames_of(file, header):
            try:
                position = tags.numbers("ImagePositionPatient", 3, -FARTHEST, FARTHEST)
                orientation = tags.numbers("ImageOrientationPatient", 6, -2, 2)
            except ScanError:
                continue
            height = position @ normal
            place = first.position + (height - heights[0]) * line
            if (
                np.abs(orientation - first.orientation).max() < 2e-3
                and np.linalg.norm(position - place) <= STRAIGHT
                and np.abs(heights - height).min() > SAME
                and (tags.whole("Rows"), tags.whole("Columns")) == first.shape
            ):
                labels.append(tags.label)
    return labels


def _slices(count: int) -> str:
    return f"{count} slice{'s' if count > 1 else ''}"
