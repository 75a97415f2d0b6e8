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

from skedema._strata import strata_of
from skedema._told import tell
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
    X: Any, label: NDArray[Any], groups: Any, cv: Any, random_state: int, *, numbers: bool = False
) -> list[Split]:
    """Draw the folds, and refuse those that train and test on a row or a group.

    An int or None for `cv` is `shuffled_folds`. Of `numbers`, `label` holds these.
    """
    splits: list[Split] = []
    tested = np.zeros(len(label), dtype=bool)
    repeat = fold = 0
    if cv is None or (isinstance(cv, Integral) and not isinstance(cv, bool)):
        n_splits = 5 if cv is None else int(cv)
        pairs = shuffled_folds(X, label, groups, n_splits, random_state, numbers=numbers)
    else:
        splitter = check_cv(cv, label, classifier=not numbers)
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
        _check(split, groups)
    return splits


def shuffled_folds(
    X: Any, label: Any, groups: Any, n_splits: int, random_state: int, *, numbers: bool = False
) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Draw stratified folds, of whole groups where there are groups.

    Of `numbers` tenths are the strata, so that each fold has the small and the large.
    """
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    splitter = kind(n_splits, shuffle=True, random_state=random_state)
    if not numbers:
        return list(splitter.split(X, label, groups))
    with warnings.catch_warnings():  # a part smaller than n_splits is spread as far as it goes
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        return list(splitter.split(X, strata_of(np.asarray(label)), groups))


def same_splits(first: Sequence[Split], second: Sequence[Split]) -> bool:
    """Tell whether folds are the same, row for row."""
    return len(first) == len(second) and all(
        np.array_equal(a.train, b.train) and np.array_equal(a.test, b.test)
        for a, b in zip(first, second, strict=True)
    )


def check_classes(splits: Sequence[Split], label: NDArray[np.intp], classes: NDArray[Any]) -> None:
    """Refuse a training part without a class, and warn once where one is nowhere tested.

    What is tested are all folds of a repeat together; one fold of one class, as of a single
    patient, is nothing unusual.
    """
    everyone = range(len(classes))
    for split in splits:
        missing = np.setdiff1d(everyone, label[split.train])
        if len(missing) == len(classes) - 1:
            holds = "holds one class only"
        elif len(missing):
            holds = f"holds no row of class {classes[missing[0]].item()!r}"
        else:
            continue
        raise ValueError(
            f"The training part of {split.name} {holds}. Use stratified folds, or fewer."
        )
    for repeat in sorted({split.repeat for split in splits}):
        tested = np.concatenate([label[split.test] for split in splits if split.repeat == repeat])
        where, remedy = f"that are tested in repeat {repeat}", "Give cv= test parts"
        if warn_of_absent_classes(tested, classes, where, remedy):
            return


def warn_of_absent_classes(
    tested: NDArray[np.intp], classes: NDArray[Any], where: str, remedy: str
) -> bool:
    """Warn where no row of a class is tested; says whether there was reason to."""
    found = np.unique(tested)
    missing = np.setdiff1d(range(len(classes)), found)
    if not len(missing):
        return False
    if len(found) == 1:
        said = (
            f"All {len(tested)} rows {where} are of class {classes[found[0]].item()!r}. Figures "
            "that need both classes, such as AUC and calibration, are not defined (NaN), and "
            f"accuracy is that of one class. {remedy} of both."
        )
    else:
        said = (
            f"None of the {len(tested)} rows {where} is of class {classes[missing[0]].item()!r}. "
            "Its figures, and those that are means over all classes, are not defined (NaN). "
            f"{remedy} of all."
        )
    tell(said)
    return True


def _positions(part: Any) -> NDArray[np.intp]:
    part = np.asarray(part)
    return np.flatnonzero(part) if part.dtype == bool else part.astype(np.intp)


def _check(split: Split, groups: Any) -> None:
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
