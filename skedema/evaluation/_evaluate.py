"""Several estimators on the same folds."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from numbers import Integral
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import check_random_state, indexable

from skedema._caching.store import ArrayStore
from skedema.evaluation._folds import Outcome, Task, make_tasks, outcomes
from skedema.evaluation._leaks import look_for_leaks
from skedema.evaluation._patients import warn_of_repeated_patients
from skedema.evaluation._splits import Split, draw_splits, same_splits, warn_of_one_class
from skedema.evaluation.result import Evaluation
from skedema.frames import check_same_rows, counted

_FEW = 10


def evaluate(
    estimators: Mapping[str, Any],
    X: Any,
    y: Any,
    *,
    cv: Any = None,
    groups: Any = None,
    n_jobs: int | None = None,
    storage: str | os.PathLike[str] | None = None,
    subgroups: Any = None,
    trusted_columns: Any = None,
    random_state: Any = None,
    verbose: int = 0,
) -> Evaluation:
    """Fit and test several classifiers on the same folds.

    Each is cloned for each fold, fitted on the training part, and asked for the test part, so that
    scaling, early stopping, tuning and thresholds that belong to an estimator see the training
    part only. An estimator that tunes itself, such as `StudySearchCV` or `GridSearchCV`, makes it
    a nested cross-validation.

    Parameters
    ----------
    estimators : mapping of str to classifier
        By name, for the tables. With ``predict_proba``.
    X : table or array-like of shape (n, n_features)
        One row a patient or scan.
    y : array-like of shape (n,)
        Two classes. The positive one is the second in order, as elsewhere in scikit-learn: 1 of 0
        and 1, True of False and True.
    cv : int, splitter, iterable or None, default=None
        Any splitter of scikit-learn, or (train, test) positions; drawn once. An int or None
        (5) is shuffled, stratified folds, which keep groups whole where there are `groups`.
    groups : array-like of shape (n,) or None, default=None
        The patient of each row. No fold may split one, whatever `cv` is, and the bootstrap draws
        whole ones. None: each row is a patient of its own.
    n_jobs : int or None, default=None
        Fits at the same time, in processes with one thread each.
    storage : path or None, default=None
        A folder where each fold of each estimator is kept as soon as it is computed. The same
        call goes on where it was stopped, and an estimator that is added later is all that is
        computed. Other data, folds or parameters are never mixed up: see Notes.
    subgroups : list of str, table, mapping or None, default=None
        What `Evaluation.subgroups` may be asked for: names of columns of X, or other columns with
        a value a row, such as site or scanner.
    trusted_columns : list of (str or int) or None, default=None
        Columns of X, by name or position, that are known not to leak. Of others that look as if
        they told the answer there is one warning for all folds, and `Evaluation.leaks`: see
        `skedema.clinical.check`.
    random_state : int, RandomState instance or None, default=None
        For the folds of an int or None, and for the bootstrap.
    verbose : int, default=0
        Above 0 a bar is shown on standard error.

    Returns
    -------
    Evaluation
        Predictions out of fold, and tables of them.

    Raises
    ------
    ValueError
        When there are other than two classes; y, `groups` or `subgroups` belong to other rows of a
        pandas table, or stand in another order; a group is split; a fold cannot be used; with
        `storage`, when a later session would draw other folds.
    TypeError
        When estimators are not given by name or have no ``predict_proba``; with `storage`, when
        something cannot be told from others in a later session.

    Warns
    -----
    UserWarning
        When a patient seems to be in several rows that are not of one group: the same scan, also by
        another path, through a link or as a copy; rows that agree in all clinical values, three or
        more of them numbers that no other row has; or, without `groups`, a repeated label of an
        index that is not a count. When all rows that are tested are of one class. When there are
        fewer than ten groups: drawing so few gives no interval worth the name. Once, of all columns
        of X that may tell the answer.

    Notes
    -----
    **Several classes** are refused. Evaluate one against the rest: ``y == "c"``.

    **Held-out sites** with a row a patient: ``cv=LeaveOneGroupOut(), groups=sites`` would draw
    whole sites in the bootstrap. ``cv=list(LeaveOneGroupOut().split(X, y, sites))``, with
    `groups` the patients or None, draws patients.

    **Nested searches** do not hear of `groups`: within a training part a search may split a
    patient, and choose less well for it. The outer test part stays unseen.

    **What is kept** goes by digests of the estimator's class, its code and its parameters (not
    `n_jobs`, `verbose`, `memory`), X, y, and the rows of a fold, in order. A scan given as a path
    counts by the path, and code that the class calls is not seen: after a change of either, take
    another folder. A file holds probabilities, decisions and seconds, is verified when read, and
    nothing is unpickled.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from skedema.evaluation import evaluate
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> models = {"tree": DecisionTreeClassifier(max_depth=3), "prevalence": DummyClassifier()}
    >>> result = evaluate(models, X, y, random_state=0)
    >>> result
    <Evaluation of 2 estimators: 569 rows of 569 patients, 1 x 5 folds>
    >>> table = result.summary(["roc_auc"], n_resamples=200)
    >>> bool(table["pooled"][0] > 0.9)
    True
    """
    models = _check_estimators(estimators)
    X, y, groups = indexable(X, y, groups)
    check_same_rows(X, y=y, groups=groups, subgroups=subgroups)
    classes, label = _check_labels(y)
    patients = np.arange(len(label)) if groups is None else _check_groups(groups)
    by_group = None if groups is None else patients
    warn_of_repeated_patients(X, by_group)
    leaks = look_for_leaks(X, np.asarray(y), trusted_columns)
    covariates = _covariates(subgroups, X, len(label))
    given = isinstance(random_state, Integral)
    seed = int(random_state) if given else int(check_random_state(random_state).randint(2**31))
    splits = draw_splits(X, label, by_group, cv, seed)
    warn_of_one_class(splits, label, classes)
    store = None
    if storage is not None:
        own = cv is None or isinstance(cv, Integral)
        again = splits if _is_list(cv) else draw_splits(X, label, by_group, cv, seed)
        if (own and not given) or not same_splits(splits, again):
            raise ValueError(
                "With storage, folds must be the same in a later session: give random_state= an "
                "int, here where cv is an int or None, and to the splitter otherwise."
            )
        Path(storage).mkdir(parents=True, exist_ok=True)
        store = ArrayStore(os.path.abspath(storage))
    tasks = make_tasks(models, splits, X, y, kept=store is not None)
    found = outcomes(tasks, X, y, classes[1], store, n_jobs, verbose)
    return Evaluation(
        predictions=_predictions(tasks, found, np.asarray(y), classes),
        folds=_folds(tasks, found),
        groups=patients,
        classes=(classes[0], classes[1]),
        covariates=covariates,
        random_state=seed,
        index=X.index if isinstance(X, pd.DataFrame) else None,
        leaks=leaks,
    )


def _check_estimators(estimators: Any) -> dict[str, Any]:
    if not isinstance(estimators, Mapping) or not estimators:
        raise TypeError("estimators must be a dict of classifiers by name, such as {'mine': clf}.")
    for name, estimator in estimators.items():
        if not isinstance(name, str):
            raise TypeError(f"Names of estimators must be text, got {name!r}.")
        clone(estimator)  # says itself what is no estimator
        if not hasattr(estimator, "predict_proba"):
            raise TypeError(
                f"Estimator {name!r} ({type(estimator).__name__}) has no predict_proba. "
                "sklearn.calibration.CalibratedClassifierCV gives a classifier one."
            )
    return dict(estimators)


def _check_labels(y: Any) -> tuple[list[Any], NDArray[np.bool_]]:
    values = np.asarray(y)
    if values.ndim != 1:
        raise ValueError(f"y must have one label a row, got shape {values.shape}.")
    missing = np.asarray(pd.isna(values))
    if missing.any():
        raise ValueError(
            f"{counted(int(missing.sum()), 'row has', 'rows have')} no label, "
            f"the first at position {int(np.flatnonzero(missing)[0])}. "
            "Leave out rows whose label is not known."
        )
    classes = np.unique(values)
    if len(classes) != 2:
        raise ValueError(
            f"Two classes can be evaluated, y has {len(classes)}: {classes[:5].tolist()}. With "
            "more, evaluate one against the rest: y == the class."
        )
    return classes.tolist(), values == classes[1]


def _check_groups(groups: Any) -> NDArray[Any]:
    values = np.asarray(groups)
    if values.ndim != 1:
        raise ValueError(f"groups must have one value a row, got shape {values.shape}.")
    missing = np.asarray(pd.isna(values))
    if missing.any():
        raise ValueError(
            f"{counted(int(missing.sum()), 'row has', 'rows have')} no group, "
            f"the first at position {int(np.flatnonzero(missing)[0])}. Give each patient a value."
        )
    n_groups = len(set(values.tolist()))
    if n_groups < _FEW:
        warnings.warn(
            f"There are {n_groups} groups, and the bootstrap draws whole ones: intervals and "
            "DeLong's test need more. If groups are sites with many patients each, give "
            "cv=list(splitter.split(X, y, sites)) and groups= the patients, or None where each "
            "row is one.",
            UserWarning,
            stacklevel=3,
        )
    return values


def _covariates(subgroups: Any, X: Any, n_rows: int) -> pd.DataFrame:
    if subgroups is None:
        return pd.DataFrame(index=pd.RangeIndex(n_rows))
    if isinstance(subgroups, str):
        subgroups = [subgroups]
    names = None
    table = subgroups
    if isinstance(subgroups, (list, tuple)):
        names, table = subgroups, X
    columns: dict[str, Any] = {}
    if isinstance(table, pd.DataFrame):  # its names need not be text
        table = {name: table[name] for name in table.columns}
    native = nw.from_native(table, eager_only=True, pass_through=True)
    if not isinstance(native, (nw.DataFrame, Mapping)):
        raise TypeError(
            "subgroups must be names of columns of a table X, or a table or dict of columns, got "
            f"{type(table).__name__}."
        )
    known = list(native.columns if isinstance(native, nw.DataFrame) else native)
    for name in known if names is None else names:
        if name not in known:
            raise ValueError(f"subgroups names {name!r}, which is no column of X: {known}.")
        column = native[name]
        values = column.to_numpy() if isinstance(column, nw.Series) else np.asarray(column)
        if values.shape != (n_rows,):
            raise ValueError(
                f"The subgroup {name!r} has shape {values.shape}, but X has {n_rows} rows."
            )
        columns[name] = values
    return pd.DataFrame(columns, index=pd.RangeIndex(n_rows))


def _is_list(cv: Any) -> bool:
    return cv is not None and not hasattr(cv, "split") and not isinstance(cv, Integral)


def _predictions(
    tasks: list[Task], found: list[Outcome], y: NDArray[Any], classes: list[Any]
) -> pd.DataFrame:
    names = np.array(classes, dtype=y.dtype)
    parts = [
        pd.DataFrame(
            {
                "estimator": task.name,
                "repeat": task.split.repeat,
                "fold": task.split.fold,
                "row": task.split.test,
                "label": y[task.split.test],
                "probability": outcome.probability,
                "predicted": names[outcome.predicted.astype(int)],
            }
        )
        for task, outcome in zip(tasks, found, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def _folds(tasks: list[Task], found: list[Outcome]) -> pd.DataFrame:
    def row(task: Task, outcome: Outcome) -> dict[str, Any]:
        split: Split = task.split
        return {
            "estimator": task.name,
            "repeat": split.repeat,
            "fold": split.fold,
            "n_train": len(split.train),
            "n_test": len(split.test),
            "fit_seconds": outcome.fit_seconds,
            "predict_seconds": outcome.predict_seconds,
        }

    return pd.DataFrame([row(*each) for each in zip(tasks, found, strict=True)])
