"""Patients whom nobody was trained on: checked, asked about, and made an evaluation of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import indexable

from skedema.evaluation._cohort import Cohort, check_numbers, one_a_row, quantiles_of
from skedema.evaluation._folds import Asking, Task, make_tasks, outcomes
from skedema.evaluation._gather import (
    covariates_of,
    estimators_of,
    fit_table,
    number_table,
    prediction_table,
)
from skedema.evaluation._outcome import Outcome
from skedema.evaluation._patients import warn_of_repeated_patients, warn_of_shared_patients
from skedema.evaluation._splits import Split, warn_of_absent_classes
from skedema.evaluation.result import Evaluation
from skedema.frames import check_same_rows, listed
from skedema.frames.cells import labels_of


@dataclass(frozen=True)
class Others:
    """Patients to validate on, checked.

    Attributes
    ----------
    X, y : table and labels
        As given, but that they can be indexed.
    groups : ndarray of shape (n,)
        The patient of each row.
    covariates : DataFrame
        Columns that `subgroups` may be asked for.
    """

    X: Any
    y: Any
    groups: NDArray[Any]
    covariates: pd.DataFrame


def others_of(
    X: Any,
    y: Any,
    groups: Any,
    classes: NDArray[Any] | None,
    subgroups: Any,
    development: tuple[Any, Any] | None,
) -> Others:
    """Check patients to validate on, and warn of those that `development`, (X, groups), has too.

    Of numbers there are no classes.
    """
    X, y, groups = indexable(X, y, groups)
    check_same_rows(X, y=y, groups=groups, subgroups=subgroups)
    if groups is not None:
        groups = one_a_row(groups, "groups", "group", "Give each patient a value.")
    label: NDArray[Any] = check_numbers(y) if classes is None else _codes(y, classes)
    harm = "it is taken for several, and intervals be too narrow"
    warn_of_repeated_patients(X, groups, harm)
    if development is not None:
        warn_of_shared_patients(development[0], X, development[1], groups)
    if classes is not None:
        warn_of_absent_classes(label, classes, "to validate on", "Add patients")
    covariates = covariates_of(subgroups, X, len(label))
    return Others(X, y, np.arange(len(label)) if groups is None else groups, covariates)


def other_patients(test: Any, cohort: Cohort, subgroups: Any) -> Others:
    """Check what `evaluate` is given as `test`."""
    if not isinstance(test, (tuple, list)) or len(test) not in (2, 3):
        raise TypeError(
            "test must be a tuple (X, y) or (X, y, groups) of the patients to test on, got "
            f"{type(test).__name__}{f' of {len(test)}' if isinstance(test, (tuple, list)) else ''}."
        )
    X, y, groups = (*test, None)[:3]
    X = _in_order_of(cohort.X, X)
    named = isinstance(subgroups, (str, list, tuple))
    shared = (cohort.X, cohort.groups)
    return others_of(X, y, groups, cohort.classes, subgroups if named else None, shared)


def fit_on_all(
    models: dict[str, Any],
    cohort: Cohort,
    others: Others,
    order: NDArray[np.intp],
    metric_names: tuple[str, ...],
    asking: Asking,
) -> Evaluation:
    """Fit each estimator on the whole cohort, and test it on others."""
    whole = Split(0, 0, np.arange(len(cohort.label)), np.arange(len(others.groups)))
    kept = asking.store is not None
    tasks = make_tasks(models, [whole], cohort.X, cohort.y, unseen=others.X, kept=kept)
    found = outcomes(tasks, cohort.X, cohort.y, cohort.classes, asking, others.X)
    return external(tasks, found, others, (cohort.classes, order), cohort.seed, metric_names)


def external(
    tasks: list[Task],
    found: list[Outcome],
    others: Others,
    classes: tuple[NDArray[Any] | None, NDArray[np.intp]],
    seed: int,
    metric_names: tuple[str, ...],
) -> Evaluation:
    """Make an evaluation of what was said of other patients; `classes` with their `class_order`."""
    names, order = classes
    quantiles: tuple[float, ...] = ()
    if names is None:
        quantiles = quantiles_of({task.name: task.estimator for task in tasks})
        predictions = number_table(tasks, found, others.y, quantiles)
    else:
        predictions = prediction_table(tasks, found, others.y, names, order)
    return Evaluation(
        predictions=predictions,
        folds=fit_table(tasks, found),
        groups=others.groups,
        classes=() if names is None else tuple(names[order].tolist()),
        quantiles=quantiles,
        covariates=others.covariates,
        random_state=seed,
        metric_names=metric_names,
        index=others.X.index if isinstance(others.X, pd.DataFrame) else None,
        X=others.X,
        y=others.y,
        estimators=estimators_of(tasks, found),
        kind="external",
    )


def _codes(y: Any, classes: NDArray[Any]) -> NDArray[np.intp]:
    values = one_a_row(y, "y", "label", "Leave out rows whose label is not known.")
    known = classes.tolist()
    unknown = [value for value in pd.unique(values).tolist() if value not in known]
    if unknown:
        raise ValueError(
            f"y of the patients to validate on holds {listed(unknown)}, but the models were fitted "
            f"on the classes {known}. Leave these rows out, or name classes as in the fit."
        )
    if not len(values):
        raise ValueError("There is no patient to validate on.")
    return np.array([known.index(value) for value in values.tolist()], dtype=np.intp)


def _in_order_of(X: Any, others: Any) -> Any:
    """Refuse a table with other columns; bring those of the same names into the order of X."""
    try:
        ours, theirs = labels_of(X), labels_of(others)
    except TypeError:  # whatever else estimators take
        return others
    if ours == theirs:
        return others
    absent, extra = [c for c in ours if c not in theirs], [c for c in theirs if c not in ours]
    if absent or extra:
        parts = [f"columns of X that are not there: {listed(absent)}"] * bool(absent)
        parts += [f"columns that X does not have: {listed(extra)}"] * bool(extra)
        raise ValueError(
            f"The X of test does not have the columns of X; {'; '.join(parts)}. A column of "
            "missing values stands for a variable that was not measured."
        )
    return others[ours]
