"""The folds that all estimators share, and what may not be in them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, check_cv

from skedema.frames import counted


@dataclass(frozen=True)
class Split:
    """A fold.

    Attributes
    ----------
    repeat, fold : int
        From 0. A repeat ends before the fold that would test a row a second time.
    train, test : ndarray of int
        Positions of rows.
    """

    repeat: int
    fold: int
    train: NDArray[np.intp]
    test: NDArray[np.intp]

    @property
    def name(self) -> str:
        """For messages."""
        return f"fold {self.fold} of repeat {self.repeat}"


def draw_splits(
    X: Any, label: NDArray[np.bool_], groups: Any, cv: Any, random_state: int
) -> list[Split]:
    """Draw the folds.

    Parameters
    ----------
    X : table or array-like
        The rows.
    label : ndarray of bool
        Of the rows, for stratification.
    groups : array-like or None
        The patient of each row.
    cv : int, splitter, iterable or None
        An int or None is shuffled stratified folds, of whole groups where there are groups.
    random_state : int
        For these.

    Returns
    -------
    list of Split
        All checked.

    Raises
    ------
    ValueError
        When a group or row is both trained and tested on, or a fold cannot be used.
    """
    if cv is None or (isinstance(cv, Integral) and not isinstance(cv, bool)):
        kind = StratifiedKFold if groups is None else StratifiedGroupKFold
        n_splits = 5 if cv is None else int(cv)
        splitter = kind(n_splits, shuffle=True, random_state=random_state)
    else:
        splitter = check_cv(cv, label, classifier=True)
    splits: list[Split] = []
    tested = np.zeros(len(label), dtype=bool)
    repeat = fold = 0
    with warnings.catch_warnings():  # folds that ignore groups may do so where they split none
        warnings.filterwarnings("ignore", "The groups parameter is ignored", UserWarning)
        pairs = list(splitter.split(X, label, groups))
    for pair in pairs:
        train, test = (_positions(part) for part in pair)
        if tested[test].any():
            tested[:] = False
            repeat, fold = repeat + 1, 0
        tested[test] = True
        splits.append(Split(repeat, fold, train, test))
        fold += 1
    if not splits:
        raise ValueError(f"cv={cv!r} gives no folds.")
    for split in splits:
        _check(split, label, groups)
    return splits


def same_splits(first: Sequence[Split], second: Sequence[Split]) -> bool:
    """Tell whether folds are the same, row for row.

    Parameters
    ----------
    first, second : sequence of Split
        From two drawings.

    Returns
    -------
    bool
        Whether a later session would draw them again.
    """
    return len(first) == len(second) and all(
        np.array_equal(a.train, b.train) and np.array_equal(a.test, b.test)
        for a, b in zip(first, second, strict=True)
    )


def warn_of_one_class(
    splits: Sequence[Split], label: NDArray[np.bool_], classes: Sequence[Any]
) -> None:
    """Warn where what is tested, all folds of a repeat together, is of one class.

    Parameters
    ----------
    splits : sequence of Split
        The folds.
    label : ndarray of bool
        Of the rows.
    classes : sequence of two
        What the labels False and True stand for.

    Warns
    -----
    UserWarning
        Once; one fold of one class, as of a single patient, is nothing unusual.
    """
    for repeat in sorted({split.repeat for split in splits}):
        tested = np.concatenate([label[split.test] for split in splits if split.repeat == repeat])
        if tested.all() or not tested.any():
            warnings.warn(
                f"All {len(tested)} rows that are tested in repeat {repeat} are of class "
                f"{classes[int(tested[0])]!r}. Figures that need both classes, such as AUC and "
                "calibration, are not defined (NaN), and accuracy is that of one class. Give cv= "
                "test parts of both.",
                UserWarning,
                stacklevel=3,
            )
            return


def _positions(part: Any) -> NDArray[np.intp]:
    part = np.asarray(part)
    return np.flatnonzero(part) if part.dtype == bool else part.astype(np.intp)


def _check(split: Split, label: NDArray[np.bool_], groups: Any) -> None:
    if not len(split.test):
        raise ValueError(f"Nothing is tested in {split.name}. Give cv= fewer folds.")
    both = np.intersect1d(split.train, split.test)
    if len(both):
        raise ValueError(
            f"{counted(len(both), 'row is', 'rows are')} both trained and tested on in "
            f"{split.name}, the first at position {both[0]}. "
            "Give cv= splits whose parts do not overlap."
        )
    if groups is not None:
        shared = set(groups[split.train].tolist()) & set(groups[split.test].tolist())
        if shared:
            named = min(shared, key=repr)
            raise ValueError(
                f"{counted(len(shared), 'group is', 'groups are')} both trained and tested on in "
                f"{split.name}, such as "
                f"group {named!r}: what is known of a patient would be tested on the same "
                "patient. Use a splitter of groups, such as StratifiedGroupKFold, GroupKFold or "
                "LeaveOneGroupOut, or leave cv to be an int."
            )
    found = label[split.train]
    if found.all() or not found.any():
        raise ValueError(
            f"The training part of {split.name} holds one class only. Use stratified folds, or "
            "fewer."
        )
