"""Columns that tell the label better than a clinical variable plausibly could."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import gammaln
from sklearn.tree import DecisionTreeClassifier

from skedema.clinical.categories import category_keys
from skedema.frames import Column

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Codes = NDArray[np.intp]

#: AUC from which on a single column is not believed.
IMPLAUSIBLE = 0.99
# Numbers of up to so many different values, each of so many patients on average, are looked at
# value by value; others in so many bins, and where these tell so much, by a decision tree of so
# many intervals, which finds the limits between classes and takes a hundred times as long.
_FEW_VALUES, _HELD_BY, _BINS, _WORTH_A_TREE, _INTERVALS = 10, 5, 16, 0.95, 8
_FOLDS = 5
# Patients on either side that it takes. A good variable, with an AUC of 0.9, reaches 0.99 by chance
# in 4 % of the cohorts with 20 patients on either side (normal approximation with the variance of
# Hanley and McNeil, Radiology 1982, 143:29-36); a good sign, with a sensitivity of 0.8 and a
# specificity of 0.9, agrees with all of 15 and 15 patients in 0.7 %.
_MEASURED, _VALUES = 20, 15
# Of 30 patients without an exception up to a tenth may be exceptions among others: the rule of
# three (Hanley and Lippman-Hand, JAMA 1983, 249:1743-1745).
_WITHOUT_EXCEPTION = 30
_CHANCE = 1e-6
# Signs that rule a rare disease out are nothing unusual: only classes of at most so many are told.
_LARGEST_CLASS = 2 / 3
# Of marks of which any means a class: held by how many, and with how many exceptions; and the AUC
# of "any of the marks" on folds that did not choose them, where a rare mark may not be known.
_LEAST_HELD, _EXCEPTIONS, _HOLDS = 3, 0.01, 0.9


@dataclass(frozen=True)
class Mark:
    """A property that some patients have: a value of a column, or that there is one.

    `what` is such as ``is 'yes'``, and `held` tells who has it.
    """

    column: int
    what: str
    held: Bools


def alone(column: Column, target: Codes) -> float:
    """Give the AUC of a column by itself, out of fold, of the patients who have a value.

    Of few values by the share of each class among the other folds' patients with the same one, of
    measurements by that in the same bin or interval, or, of two classes, by their own ranks, if
    that is better. Of several classes that of the class which is told worst of all, or, where there
    are few values, best. NaN where there are too few patients for a judgement. `target` holds codes
    of classes.
    """
    present = ~column.missing()
    values, target = column.values[present], target[present]
    sizes = np.bincount(target)
    classes = np.flatnonzero(sizes)
    groups = groups_of(values, column.is_numeric)
    if groups is not None:
        judged = [c for c in classes if _VALUES <= sizes[c] <= len(target) - _VALUES]
        shares = [auc(target == c, _out_of_fold(groups, target == c)) for c in judged]
        return max(shares, default=np.nan)
    if len(classes) < 2 or sizes[classes].min() < _MEASURED:
        return np.nan
    edges = np.unique(np.quantile(values, np.arange(1, _BINS) / _BINS))
    bins = np.searchsorted(edges, values, side="right")
    # Of two classes one is told as well as the other.
    apart = [target == c for c in (classes[1:] if len(classes) == 2 else classes)]
    told = min(auc(positive, _out_of_fold(bins, positive)) for positive in apart)
    if told >= _WORTH_A_TREE:
        told = min(_by_tree(values, target))
    if len(classes) > 2:
        return told
    ranked = auc(target == classes[1], values)
    return max(told, ranked, 1 - ranked)


def has_few_values(column: Column) -> bool:
    """Tell whether a column is looked at value by value."""
    return groups_of(column.values[~column.missing()], column.is_numeric) is not None


def is_one_to_one(column: Column, target: Codes) -> bool:
    """Tell whether each value goes with a class of its own, and each class with a value."""
    present = ~column.missing()
    groups = groups_of(column.values[present], column.is_numeric)
    if groups is None:
        return False
    pairs = len(set(zip(groups.tolist(), target[present].tolist(), strict=True)))
    return bool(pairs == len(np.unique(groups)) == len(np.unique(target[present])))


def marks(column: Column, position: int) -> list[Mark]:
    """List the properties of a column that may tell a class without exception.

    The values of a text, of a category and of a number that has two; that a number is another one
    than most patients have; that there is a value, and that there is none.
    """
    missing = column.missing()
    found = []
    if missing.any() and not missing.all():
        found += [Mark(position, "is missing", missing), Mark(position, "is there", ~missing)]
    present = column.values[~missing]
    if not len(present):
        return found
    if column.is_numeric:
        values, counts = np.unique(present, return_counts=True)
        usual = values[counts.argmax()]
        if len(values) == 2:
            found += [
                Mark(position, f"is {value:g}", np.equal(column.values, value)) for value in values
            ]
        elif len(values) > 2 and counts.max() * 2 >= len(present):
            other = ~missing & (column.values != usual)
            found.append(Mark(position, f"is not {usual:g}", other))
        return found
    keys = np.full(len(missing), None, dtype=object)
    keys[~missing] = category_keys(present)
    for key, count in pd.Series(keys[~missing]).value_counts().items():
        if count < _LEAST_HELD:
            break
        found.append(Mark(position, f"is {key!r}", np.asarray(keys == key, dtype=bool)))
    return found


def has_no_exception(held: Bools, target: Codes) -> bool:
    """Tell whether all patients with a mark are of one class, beyond chance."""
    n, n_held = len(target), int(held.sum())
    if n_held < _WITHOUT_EXCEPTION or n_held == n:
        return False
    of_class = target[held][0]
    n_class = int((target == of_class).sum())
    if n_class > _LARGEST_CLASS * n or (target[held] != of_class).any():
        return False
    # So many draws without replacement that are all of the class.
    return bool(_log_choose(n_class, n_held) - _log_choose(n, n_held) < np.log(_CHANCE))


def together(found: list[Mark], target: Codes) -> tuple[list[Mark], int] | None:
    """Find marks of several columns of which any means a class, as the kinds of a disease do.

    Gives the marks and the class, or None: those who have one of the marks are without exception of
    the class, or nearly all of the class and nobody else; and marks that are chosen on some folds
    hold on the others.
    """
    if not found:
        return None
    held = np.stack([mark.held for mark in found])
    sizes = np.bincount(target)
    for of_class in np.flatnonzero((sizes >= _MEASURED) & (sizes <= len(target) - _MEASURED)):
        positive = target == of_class
        chosen = _cover(held, positive)
        if len({found[k].column for k in chosen}) < 2:
            continue
        union: Bools = np.any(held[chosen], axis=0)
        if not has_no_exception(union, target) and auc(positive, union) < IMPLAUSIBLE:
            continue
        predicted = np.zeros(len(target), dtype=bool)
        folds = _folds(positive)
        for fold in range(_FOLDS):
            seen = folds != fold
            rule = _cover(held[:, seen], positive[seen])
            predicted[~seen] = held[rule][:, ~seen].any(axis=0)
        if auc(positive, predicted) >= _HOLDS:
            return [found[k] for k in chosen], int(of_class)
    return None


def groups_of(values: np.ndarray, is_numeric: bool) -> Codes | None:
    """Sort values into groups, where there are few; None for measurements."""
    if not is_numeric:
        return np.asarray(pd.factorize(np.array(category_keys(values), dtype=object))[0])
    distinct, codes = np.unique(values, return_inverse=True)
    few = len(distinct) <= min(_FEW_VALUES, len(values) / _HELD_BY)
    return codes if few else None


def _folds(target: NDArray[Any]) -> Codes:
    """Deal patients of each class out to the folds, always in the same order of chance."""
    order = np.random.default_rng(0).permutation(len(target))
    folds = np.empty(len(target), dtype=np.intp)
    for of_class in np.unique(target):
        rows = order[target[order] == of_class]
        folds[rows] = np.arange(len(rows)) % _FOLDS
    return folds


def _by_tree(values: Floats, target: Codes) -> list[float]:
    """Give the AUC of each class against the others, by intervals found on the other folds."""
    tree = DecisionTreeClassifier(
        max_leaf_nodes=_INTERVALS, min_samples_leaf=_LEAST_HELD, random_state=0
    )
    if np.abs(values).max() > np.finfo(np.float32).max:  # a tree has no larger ones
        values = np.unique(values, return_inverse=True)[1].astype(np.float64)
    column, folds = values[:, None], _folds(target)
    classes = np.unique(target)
    found = np.empty((len(target), len(classes)))
    for fold in range(_FOLDS):
        seen = folds != fold
        found[~seen] = tree.fit(column[seen], target[seen]).predict_proba(column[~seen])
    return [auc(target == c, found[:, k]) for k, c in enumerate(classes)]


def _out_of_fold(groups: Codes, positive: Bools) -> Floats:
    """Give each patient the share of positives in their group among the other folds."""
    folds, n_groups = _folds(positive), int(groups.max()) + 1
    cells = folds * n_groups + groups
    shape, size = (_FOLDS, n_groups), _FOLDS * n_groups
    hits = np.bincount(cells, positive, size).reshape(shape)
    rows = np.bincount(cells, minlength=size).reshape(shape)
    # A group that the other folds do not have gets the share of all of them.
    share = (hits.sum(axis=0) - hits + positive.mean()) / (rows.sum(axis=0) - rows + 1)
    found: Floats = share[folds, groups]
    return found


def auc(positive: Bools, scores: np.ndarray) -> float:
    """Give the AUC of scores, of equal ones of which each counts half."""
    _, codes, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[codes]  # of equal scores the mean one
    n_positive = int(positive.sum())
    above = ranks[positive].sum() - n_positive * (n_positive + 1) / 2
    return float(above / (n_positive * (len(positive) - n_positive)))


def _log_choose(n: int, k: int) -> float:
    return float(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))


def _cover(held: Bools, positive: Bools) -> list[int]:
    """Choose marks of positives until these are covered, the one first that adds most of them."""
    n_held = held.sum(axis=1)
    exceptions = held[:, ~positive].sum(axis=1)
    pure = np.flatnonzero((n_held >= _LEAST_HELD) & (exceptions <= _EXCEPTIONS * n_held))
    left = held[pure][:, positive]
    chosen: list[int] = []
    while len(pure) and left.any():
        added = left.sum(axis=1)
        best = int(added.argmax())
        chosen.append(int(pure[best]))
        left = left & ~left[best]
    return chosen
