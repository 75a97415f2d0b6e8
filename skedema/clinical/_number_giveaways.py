"""Columns that tell a number better than a clinical variable plausibly could."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from skedema.clinical._giveaways import Codes, Floats, auc, groups_of
from skedema.frames import Column

#: Rank correlation from which on a single column is not believed: the same thing in another unit,
#: or a function of it. Two readers of one scan agree less.
SAME_RANKS = 0.99
#: The share of the variance that few values explain, out of fold; the square of that correlation.
_EXPLAINED = SAME_RANKS**2
#: The AUC of a gap in a column by the number, and patients on either side.
_GAPS, _EITHER = 0.99, 15
_MEASURED, _FOLDS = 20, 5


def tells_number(column: Column, numbers: Floats) -> str | None:
    """Say how a column tells the number, if it does better than is plausible."""
    missing = column.missing()
    if _EITHER <= missing.sum() <= len(missing) - _EITHER:
        found = auc(missing, numbers)
        if max(found, 1 - found) >= _GAPS:
            return f"tells y by where it is missing (AUC {max(found, 1 - found):.3f})"
    values, numbers = column.values[~missing], numbers[~missing]
    if len(values) < _MEASURED or np.ptp(numbers) == 0:
        return None
    groups = groups_of(values, column.is_numeric)
    if groups is None:
        return _by_ranks(values, numbers)
    share = _explained(groups, numbers)
    return f"tells y by itself (R2 {share:.3f} out of fold)" if share >= _EXPLAINED else None


def _by_ranks(values: NDArray[np.float64], numbers: Floats) -> str | None:
    ranks = rankdata(values), rankdata(numbers)
    found = float(np.corrcoef(*ranks)[0, 1])
    return f"tells y by itself (rank correlation {found:.3f})" if abs(found) >= SAME_RANKS else None


def _explained(groups: Codes, numbers: Floats) -> float:
    """Give R2 of the mean among the other folds' patients with the same value."""
    center = numbers - numbers.mean()
    fold = np.random.default_rng(0).permutation(len(numbers)) % _FOLDS
    found = np.empty(len(numbers))
    for each in range(_FOLDS):
        seen, size = fold != each, int(groups.max()) + 1
        total = np.bincount(groups[seen], center[seen], size)
        # A group that the other folds do not have gets the mean of all of them.
        mean = total / np.maximum(np.bincount(groups[seen], minlength=size), 1)
        found[~seen] = mean[groups[~seen]]
    left = center - found
    return float(1 - (left @ left) / (center @ center))
