"""Whether voxels are HU, by where soft tissue and air lie.

The tests hold it to no false alarm and no miss: on 82 real head CT exams clipped to -20 to 100 HU,
one exam as it was scanned and simulated heads of three scanners, each with and without padding and
in several clipped ranges, and on the same shifted by 1000 or 1024 either way.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skedema.scans._remarks import Remark
from skedema.scans.scan import Scan

Floats = NDArray[np.float32]

_SAMPLE = 20_000  # voxels that are looked at
_FEWEST = 10_000  # voxels; what has fewer is no scan
_BIN = 10.0  # HU
_WIDTH = 8  # bins that a peak is wide
_PEAK = 0.015  # of the voxels lie in a peak
_STEEP = 2.5  # times as many as in as wide a range above it, beyond a gap of as much
_SAME = 0.95  # of a peak are one number: padding or a clipped range
_BONE_ABOVE = 150.0  # HU from soft tissue to what is bone for certain
_BONE = 0.005  # of the voxels
_ODD = 0.001  # of the voxels; fewer are a metal's streaks
_HIGHEST = 10_000.0  # HU; metal reads less

# Soft tissue has 20 to 80 HU, fat -120 to -60 and organs full of contrast medium up to 150.
_TISSUE = (-150.0, 150.0)
_USUAL = 35.0
_OFFSET, _NEAR = 1024.0, 110.0  # what scanners add to store no negative numbers; some add 1000
# Air has -1000 HU, and lung -950 to -600: no peak of either is here, if the slope is right.
_NO_AIR = ((-np.inf, -1500.0), (-550.0, -400.0))
_ON_TOP = 600.0  # HU; as much as in soft tissue lies there in no head, but it does upside down


class _Peak(NamedTuple):
    middle: float
    share: float


def look(scan: Scan) -> tuple[Remark, ...]:
    """Say what is odd about a scan however it is read."""
    odd = odd_intensity(scan.voxels)
    return () if odd is None else (Remark("intensity", odd),)


def odd_intensity(voxels: NDArray[Any]) -> str | None:
    """Say whether the voxels of a CT scan look like something else than HU, with the remedy.

    Soft tissue is taken to be the uppermost narrow peak of the histogram that has bone above it, or
    the uppermost one where bone is clipped. In HU it lies between -150 (fat) and 150 (organs full
    of contrast medium), whatever part of the body it is. Air then has a peak near -1000, or none. A
    peak of one number is padding or a clipped range and counts for nothing.

    None where nothing is odd, or nothing can be told: among fewer than 10,000 voxels, or without a
    peak. A slope that is wrong is found by the air alone, so not where that is clipped. Stored
    values that were clipped to a window of HU are lost, and look like one colour: see `odd_values`.

    Examples
    --------
    >>> import numpy as np
    >>> from skedema.scans._intensity import odd_intensity
    >>> rng = np.random.default_rng(0)
    >>> air, brain, bone = rng.normal([[-1000], [35], [1000]], [[9], [9], [200]], (3, 10000))
    >>> hu = np.concatenate([air, brain, bone[:500]]).reshape(41, 50, 10)
    >>> odd_intensity(hu) is None
    True
    >>> odd_intensity(hu + 1024)
    'its soft tissue lies at 1059...; subtract 1024 (or what its header says)...'
    """
    if voxels.size < _FEWEST:
        return None
    step = max(1, round((voxels.size / _SAMPLE) ** (1 / 3)))
    part = voxels[tuple(slice(None, None, min(step, max(1, n // 8))) for n in voxels.shape)]
    values = np.asarray(part, dtype=np.float32).ravel()
    if np.mean(values > _HIGHEST) > _ODD:
        return (
            f"its values reach {values.max():g}, which not even metal does; see its slope, "
            "and whether negative numbers were stored without their sign"
        )
    body = values[(values > values.min()) & (values < values.max())]
    peaks = _peaks(body)
    if not peaks:
        return None
    with_bone = [p for p in peaks if np.mean(body > p.middle + _BONE_ABOVE) >= _BONE]
    tissue = (with_bone or peaks)[-1]
    if not _TISSUE[0] <= tissue.middle <= _TISSUE[1]:
        return f"its soft tissue lies at {tissue.middle:.0f}, where HU have 20 to 80; " + _remedy(
            tissue.middle - _USUAL
        )
    if any(p.middle > _ON_TOP and p.share > tissue.share for p in peaks):
        return "most of it is as bright as bone; is it inverted? Take the original scan"
    air = next((p for p in peaks if p.share > tissue.share / 2), tissue)
    if any(low < air.middle < high for low, high in _NO_AIR):
        return (
            f"its air lies at {air.middle:.0f}, where HU have -1000; correct its slope "
            "and intercept, or convert the scan again"
        )
    return None


def _remedy(offset: float) -> str:
    for sign, what in ((1, "subtract"), (-1, "add")):
        if abs(offset - sign * _OFFSET) < _NEAR:
            return (
                f"{what} {_OFFSET:g} (or what its header says), or convert the scan again with "
                "slope and intercept applied"
            )
    return "convert the scan again with slope and intercept applied, or leave it out if it is no CT"


def _peaks(body: Floats) -> list[_Peak]:
    """Find what is dense within 80 HU and thin above, from low to high."""
    if len(body) < _FEWEST / 100 or np.ptp(body) < 2 * _BIN:
        return []
    low = float(np.floor(body.min() / _BIN) * _BIN)
    index = ((body - low) / _BIN).astype(np.intp)
    counts = np.bincount(index) / len(body)
    n = len(counts)
    sums = np.concatenate([[0.0], np.cumsum(counts), np.ones(3 * _WIDTH)])
    share = sums[_WIDTH : n + _WIDTH] - sums[:n]
    above = sums[3 * _WIDTH : n + 3 * _WIDTH] - sums[2 * _WIDTH : n + 2 * _WIDTH]
    around = np.lib.stride_tricks.sliding_window_view(np.pad(share, _WIDTH), 2 * _WIDTH + 1)
    highest = share >= around.max(axis=1)
    # Where the values end nothing lies above: there, a peak has to stand out from what is below.
    first = np.maximum(np.arange(n) - 2 * _WIDTH, 0)
    flat = (np.arange(n) >= max(_WIDTH, n - 2 * _WIDTH)) & (share < _STEEP * share[first])
    found = []
    for k in np.flatnonzero(highest & (share >= _PEAK) & (share > _STEEP * above) & ~flat):
        inside = body[(index >= k) & (index < k + _WIDTH)]
        middle = float(np.median(inside))
        if np.mean(inside == middle) < _SAME:
            found.append(_Peak(middle, float(share[k])))
    return found
