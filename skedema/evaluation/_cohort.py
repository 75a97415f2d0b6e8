"""The rows that estimators are compared on, checked, with their folds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import check_random_state, indexable
from sklearn.utils.multiclass import type_of_target

from skedema._one_outcome import predicts_numbers
from skedema.clinical.leaks import Leak
from skedema.evaluation._leaks import look_for_leaks
from skedema.evaluation._patients import warn_of_repeated_patients
from skedema.evaluation._quantiles import levels_of
from skedema.evaluation._splits import Split, check_classes, draw_splits
from skedema.evaluation._tables import check_name
from skedema.frames import check_same_rows, counted, listed


@dataclass(frozen=True)
class Cohort:
    """Rows, their labels and folds.

    Attributes
    ----------
    X, y : table and labels
        As given, but that they can be indexed.
    classes : ndarray of shape (n_classes,) or None
        All labels, in order; None of numbers.
    label : ndarray of shape (n,)
        The class of each row, or its number.
    groups : ndarray of shape (n,) or None
        The patient of each row; None: each is one of its own.
    splits : list of Split
        The folds.
    seed : int
        From `random_state`.
    leaks : tuple of Leak
        Columns that may tell the answer.
    """

    X: Any
    y: Any
    classes: NDArray[Any] | None
    label: NDArray[Any]
    groups: NDArray[Any] | None
    splits: list[Split]
    seed: int
    leaks: tuple[Leak, ...]


def cohort_of(
    X: Any,
    y: Any,
    groups: Any,
    cv: Any,
    trusted_columns: Any,
    random_state: Any,
    *,
    numbers: bool,
    **beside: Any,
) -> Cohort:
    """Check rows, warn of what would make figures too good, and draw the folds.

    What comes beside X, such as subgroups, must be in the order of its rows.
    """
    X, y, groups = indexable(X, y, groups)
    check_same_rows(X, y=y, groups=groups, **beside)
    classes: NDArray[Any] | None = None
    label: NDArray[Any]
    if numbers:
        label = check_numbers(y)
        if len(label) and np.ptp(label) == 0:
            raise ValueError(f"y is {label[0]:g} in all rows: there is nothing to predict.")
    else:
        classes, label = _check_labels(y)
    if groups is not None:
        groups = one_a_row(groups, "groups", "group", "Give each patient a value.")
    warn_of_repeated_patients(X, groups)
    leaks = look_for_leaks(X, np.asarray(y), trusted_columns, numbers=numbers)
    given = isinstance(random_state, Integral)
    seed = int(random_state) if given else int(check_random_state(random_state).randint(2**31))
    splits = draw_splits(X, label, groups, cv, seed, numbers=numbers)
    if classes is not None:
        check_classes(splits, label, classes)
    return Cohort(X, y, classes, label, groups, splits, seed, leaks)


def check_estimators(estimators: Any) -> dict[str, Any]:
    """Refuse what is not a mapping of names to classifiers with probabilities, or regressors."""
    if not isinstance(estimators, Mapping) or not estimators:
        raise TypeError("estimators must be a dict of classifiers by name, such as {'mine': clf}.")
    numbers = are_of_numbers(estimators)
    for name, estimator in estimators.items():
        if not isinstance(name, str):
            raise TypeError(f"Names of estimators must be text, got {name!r}.")
        check_name(name)
        clone(estimator)  # says itself what is no estimator
        if not (numbers or hasattr(estimator, "predict_proba")):
            raise TypeError(
                f"Estimator {name!r} ({type(estimator).__name__}) has no predict_proba. "
                "sklearn.calibration.CalibratedClassifierCV gives a classifier one."
            )
    return dict(estimators)


def are_of_numbers(estimators: Mapping[str, Any]) -> bool:
    """Tell whether all are regressors; refuse classifiers beside them."""
    of_numbers = {name: predicts_numbers(each) for name, each in estimators.items()}
    if len(set(of_numbers.values())) > 1:
        regressors = [name for name, numbers in of_numbers.items() if numbers]
        raise TypeError(
            f"Of the estimators {listed(regressors)} predict numbers, and the others classes: "
            "evaluate them apart."
        )
    return all(of_numbers.values())


def quantiles_of(estimators: Mapping[str, Any]) -> tuple[float, ...]:
    """Give the levels of the quantiles that regressors predict, which are the same for all."""
    found = {name: levels_of(each) for name, each in estimators.items() if levels_of(each)}
    if len(set(found.values())) > 1:
        raise ValueError(
            f"The estimators predict different quantiles, {found}: give all the same, or evaluate "
            "them apart."
        )
    return next(iter(found.values()), ())


def check_numbers(y: Any) -> NDArray[Any]:
    """Refuse what is no finite number a row."""
    values = one_a_row(y, "y", "number", "Leave out rows whose number is not known.")
    try:
        numbers = values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"y holds {values.dtype}, such as {values[0]!r}, and regressors need numbers. Give "
            "classifiers for classes."
        ) from error
    if not np.isfinite(numbers).all():
        raise ValueError("y holds infinity. Leave out rows whose number is not known.")
    found: NDArray[np.float64] = numbers
    return found


def _check_labels(y: Any) -> tuple[NDArray[Any], NDArray[np.intp]]:
    if np.ndim(y) == 2 and np.shape(y)[1] > 1:
        column = f"y[{y.columns[0]!r}]" if hasattr(y, "columns") else "y[:, 0]"
        raise ValueError(
            f"y has {np.shape(y)[1]} columns, and this is about one outcome. Give one column after "
            f"the other, such as {column}, with the rows where it is known."
        )
    values = one_a_row(y, "y", "label", "Leave out rows whose label is not known.")
    classes, label = np.unique(values, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"y has one class only, {classes.tolist()}; give rows of two or more.")
    if len(classes) > 2 and type_of_target(values) == "continuous":
        raise ValueError(
            f"y holds {len(classes)} numbers that are no classes, such as {classes[0].item():g}. "
            "Give regressors, or make classes of them, such as y > a threshold."
        )
    return classes, label


def one_a_row(values: Any, name: str, what: str, remedy: str) -> NDArray[Any]:
    """Refuse what is no column of values that are all there."""
    values = np.asarray(values)
    if values.ndim != 1:
        raise ValueError(f"{name} must have one {what} a row, got shape {values.shape}.")
    missing = np.asarray(pd.isna(values))
    if missing.any():
        raise ValueError(
            f"{counted(int(missing.sum()), 'row has', 'rows have')} no {what}, "
            f"the first at position {int(np.flatnonzero(missing)[0])}. {remedy}"
        )
    found: NDArray[Any] = values
    return found
