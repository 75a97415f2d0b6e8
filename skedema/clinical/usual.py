"""What is usual in a numeric column: codes for "not known", and values far from all others."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

# What stands for "not known", "refused" or "not applicable" in many a file, though it is a number.
# Questionnaires of the US health surveys NHANES and BRFSS use 7s, 8s and 9s of a variable's width.
_NEGATIVE_CODES = (-1, -7, -8, -9, *(-int(d * n) for n in range(2, 6) for d in "789"))
_POSITIVE_CODES = (9, *(int(d * n) for n in range(2, 6) for d in "789"))
_CODES = np.array([*_NEGATIVE_CODES, *_POSITIVE_CODES], dtype=np.float64)
# From this times all others on, a positive code is none of them; so is any value.
_FAR = 3.0
# Against a column of one value all others are far; this many times it is.
_FAR_FROM_ONE_VALUE = 10.0
# However heavy the tail, a positive value beyond this many times all others rather is a slip of two
# places than one of them.
_SLIP = 99.0
# How often a column whose tail is as heavy as can be expected holds a value called far.
_FALSE_ALARMS = 3e-3
# Fewer values have no tail to judge by; more than this share of them is a group of its own.
_ENOUGH, _MOST_FAR = 10, 0.05
# A heap at the edge: at least so many times, and so many times as often as any other value.
_HEAP = 3
_TYPICAL = 21  # values that stand for all of a column


@dataclass(frozen=True)
class Usual:
    """What training saw of a numeric column, and from where on a value is far from it.

    Values are told from typing errors by the tail of the others, which may be heavy: where none is
    negative, the logarithms of the largest quarter may fall off exponentially, which is a power
    law (Hill, "A simple general approach to inference about the tail of a distribution", Annals of
    Statistics 3, 1975, 1163-1174). The gaps between such values are independent exponentials
    (Rényi, Acta Mathematica Hungarica 4, 1953, 191-231), so that a gap over the mean of the k
    before it has an F distribution with 2 and 2k degrees of freedom: a value is far where three in
    a thousand such columns have a gap as wide, and the value is three times all others; or where
    it is about a hundred times all others, as after a slip of two places, whatever the tail.
    Laboratory values over several decades (log-normal) have lighter tails. Towards zero the same
    has to hold of the values themselves as well, and where some are negative, of their inverse
    hyperbolic sine in widths from the median.

    Attributes
    ----------
    low, high : float
        The smallest and the largest value but for the odd ones.
    center : float
        The median.
    lowest, highest : float
        Beyond these a value is far.
    odd : frozenset of float
        Codes and far values that `fit` saw, and warns of.
    few : bool
        Whether `fit` saw too few values to know how far they reach.
    typical : tuple of float
        21 quantiles of the values that are not odd, each of which occurs: what the variable takes.
    """

    low: float
    high: float
    center: float
    lowest: float
    highest: float
    odd: frozenset[float]
    few: bool
    typical: tuple[float, ...]

    def is_code(self, values: np.ndarray) -> np.ndarray:
        """Tell which values look like a code for "not known" that `fit` did not see, such as -9."""
        found = np.isin(values, _CODES)
        for code in np.unique(values[found]):
            if not _is_edge_code(code, self.low, self.center, self.high, self.few):
                found &= values != code
        return np.asarray(found & self._new(values))

    def is_far(self, values: np.ndarray) -> np.ndarray:
        """Tell which values are far from all that `fit` saw, such as an age of 350."""
        outside = (values < self.lowest) | (values > self.highest)
        return np.asarray(outside & self._new(values))

    def _new(self, values: np.ndarray) -> np.ndarray:
        return ~np.isin(values, list(self.odd)) if self.odd else np.ones(len(values), bool)


def learn_usual(values: np.ndarray) -> Usual:
    """Learn what is usual among the finite values of a column, at least one."""
    codes = _codes_among(values)
    rest = np.sort(values[~np.isin(values, codes)])
    center = float(np.median(rest))
    far = _far_among(rest)
    inner = rest[~far]
    lowest, highest = _bounds(inner)
    return Usual(
        low=float(inner[0]),
        high=float(inner[-1]),
        center=center,
        lowest=lowest,
        highest=highest,
        odd=frozenset([*codes, *rest[far].tolist()]),
        few=len(inner) < _ENOUGH,
        typical=tuple(inner[np.linspace(0, len(inner) - 1, _TYPICAL).round().astype(int)].tolist()),
    )


def without_patients(usual: Usual) -> Usual:
    """Give what may leave the place where training was: no value that a single patient told.

    Typical values are rounded to a hundredth of the range or so, but for the ends of the range; of
    the odd ones, codes alone are known.
    """
    codes = _CODES.tolist()
    inner = np.asarray(usual.typical[1:-1])
    width = usual.high - usual.low
    whole = all(value.is_integer() for value in usual.typical)
    if 0 < width < np.inf:
        # Powers of ten keep whole numbers whole, and others apart from them.
        digits = int(np.floor(2 - np.log10(width)))
        digits = min(digits, 0) if whole else max(digits, 1)
        inner = np.clip(inner.round(digits), usual.low, usual.high)
    return replace(
        usual,
        odd=frozenset(value for value in usual.odd if value in codes),
        typical=(usual.low, *inner.tolist(), usual.high),
    )


def _codes_among(values: np.ndarray) -> list[float]:
    """List the values that stand for "not known", as it seems."""
    candidates = np.isin(values, _CODES)
    others = values[~candidates]
    if not candidates.any() or not len(others):
        return []
    low, center, high = float(others.min()), float(np.median(others)), float(others.max())
    distinct, counts = np.unique(others, return_counts=True)
    found = []
    for code, count in zip(*np.unique(values[candidates], return_counts=True), strict=True):
        beyond = code < low or code > high
        heap = count >= _HEAP * max(1, counts.max()) and len(distinct) >= _ENOUGH
        if _is_edge_code(code, low, center, high, len(others) < _ENOUGH) or (beyond and heap):
            found.append(float(code))
    return found


def _is_edge_code(code: float, low: float, center: float, high: float, few: bool) -> bool:
    """Tell whether a code lies beyond all other values, and as none of them would."""
    if 0 < code < 10 and (few or low == high):
        return False
    if code > 0:
        return code > high and code >= _FAR * max(abs(low), abs(high))
    if low >= 0:
        return not low == high == -code  # a variable of -1 and 1
    if code > -10:
        return False
    return code <= _FAR * low and low - code >= center - low


def _far_among(ordered: np.ndarray) -> np.ndarray:
    """Mark the values that are far from all others."""
    far = np.zeros(len(ordered), dtype=bool)
    if len(ordered) < _ENOUGH:
        return far
    most = max(1, int(_MOST_FAR * len(ordered)))
    for n_far in _candidates(ordered, most):
        if ordered[len(ordered) - n_far] > _bounds(ordered[: len(ordered) - n_far])[1]:
            far[len(ordered) - n_far :] = True
            break
    for n_far in _candidates(-ordered[::-1], most):
        if ordered[n_far - 1] < _bounds(ordered[n_far:][~far[n_far:]])[0]:
            far[:n_far] = True
            break
    return far


def _candidates(ordered: np.ndarray, most: int) -> list[int]:
    """How many of the largest values may be far: where gaps are, the widest first."""
    gaps = np.diff(ordered[-most - 1 :])[::-1]
    widest = np.argsort(-gaps, kind="stable")[:3]
    return [int(n) + 1 for n in sorted(widest, reverse=True) if gaps[n] > 0]


def _bounds(ordered: np.ndarray) -> tuple[float, float]:
    """From where on a value is far from these; infinite where too few tell."""
    if len(ordered) < _ENOUGH:
        return -np.inf, np.inf
    with np.errstate(over="ignore"):
        if ordered[0] < 0:
            return _bounds_of_signed(ordered)
        return _lower_bound(ordered), _upper_bound(ordered[ordered > 0])


def _upper_bound(positive: np.ndarray) -> float:
    if len(positive) < _ENOUGH:
        return np.inf
    reach = _reach(np.log(positive))
    tail = _FAR_FROM_ONE_VALUE if reach is None else float(np.exp(reach))
    factor = min(max(_FAR, tail), _SLIP)
    return float(positive[-1] * factor)


def _lower_bound(ordered: np.ndarray) -> float:
    # Repeated rows tell no more about how near to zero values come.
    distinct = np.unique(ordered)
    low, reach = float(distinct[0]), _reach(-distinct[::-1])
    if reach is None:
        return low / _FAR_FROM_ONE_VALUE
    if len(distinct) < _ENOUGH:
        return -float(distinct[-1])
    if low == 0:
        return -reach
    factor = max(_FAR, float(np.exp(_reach(-np.log(distinct[::-1])) or 0.0)))
    return min(low / factor, low - reach)


def _bounds_of_signed(ordered: np.ndarray) -> tuple[float, float]:
    q25, center, q75 = np.quantile(ordered, [0.25, 0.5, 0.75])
    width = q75 - q25 or float(np.abs(ordered - center).max())
    if not 0 < width < np.inf:
        return -np.inf, np.inf
    sides = []
    for side in (1.0, -1.0):
        distance = np.sort(side * (ordered - center)) / width
        spread = np.arcsinh(distance)
        reach = _reach(spread)
        if reach is None or spread[-1] <= 0:
            sides.append(np.inf)
        else:
            sides.append(max(np.sinh(spread[-1] + reach), _FAR * distance[-1]) * width)
    return float(center - sides[1]), float(center + sides[0])


def _reach(ordered: np.ndarray) -> float | None:
    """How far beyond the largest value another may lie; None where all are equal."""
    n = len(ordered)
    if ordered[-1] == ordered[0]:
        return None
    k = max(_ENOUGH // 2, n // 4)
    # Ties at the edge say nothing about the tail.
    k = max(k, n - int(np.searchsorted(ordered, ordered[-1])))
    k = min(k, n - 1)
    mean = float(np.mean(ordered[n - k :] - ordered[n - k - 1]))
    return float(mean * k * (_FALSE_ALARMS ** (-1 / k) - 1))
