"""Several estimators on the same folds."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from numbers import Integral
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skedema._told import tell
from skedema.evaluation._cohort import Cohort, check_estimators, cohort_of
from skedema.evaluation._folds import Asking, Task, make_tasks, outcomes
from skedema.evaluation._outcome import Outcome, Outcomes
from skedema.evaluation._predictions import positive_class, probability_columns
from skedema.evaluation._splits import draw_splits, same_splits
from skedema.evaluation.metrics._registry import METRICS, find_metrics, try_metrics
from skedema.evaluation.result import Evaluation

_FEW = 10


def evaluate(
    estimators: Mapping[str, Any],
    X: Any,
    y: Any,
    *,
    cv: Any = None,
    groups: Any = None,
    metrics: Iterable[str] = METRICS,
    pos_label: Any = None,
    n_jobs: int | None = None,
    storage: str | os.PathLike[str] | None = None,
    subgroups: Any = None,
    trusted_columns: Any = None,
    return_estimator: bool = True,
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
        Two classes or more.
    cv : int, splitter, iterable or None, default=None
        Any splitter of scikit-learn, or (train, test) positions; drawn once. An int or None
        (5) is shuffled, stratified folds, which keep groups whole where there are `groups`.
    groups : array-like of shape (n,) or None, default=None
        The patient of each row. No fold may split one, whatever `cv` is, and the bootstrap draws
        whole ones. None: each row is a patient of its own.
    metrics : iterable of str, default=METRICS
        What the tables hold unless they are asked for others: names of
        `skedema.evaluation.metrics.METRICS`, of `register_metric`, or of scikit-learn's scorers,
        which are greater for better. Those take about a millisecond a resample and fold.
    pos_label : object, default=None
        The label of the positive class of two, whose probability, recall, precision and so on the
        figures are. None is the second in order, as elsewhere in scikit-learn: 1 of 0 and 1, True
        of False and True; of texts the second by alphabet, "none" of "edema" and "none". The
        ``repr`` and each table say which it is.
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
    return_estimator : bool, default=True
        Whether `Evaluation.estimators` holds what was fitted on each fold: for explanations and
        for `validate`, at the price of memory (of processes, of bringing them back as well) and,
        with `storage`, of a pickle a fold.
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
        When there are fewer than two classes, or `pos_label` is none of two; a metric is unknown or
        cannot be computed of so many classes; y, `groups` or `subgroups` belong to other rows of a
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
        index that is not a count. When a class is nowhere tested. When there are
        fewer than ten groups: drawing so few gives no interval worth the name. Once, of all columns
        of X that may tell the answer.

    Notes
    -----
    **More than two classes**: see the notes of `Evaluation`. Each has to be in each training part.

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
    <Evaluation of 2 estimators: 569 rows of 569 patients, 1 x 5 folds, positive class 1>
    >>> table = result.summary(["roc_auc"], n_resamples=200)
    >>> bool(table["pooled"][0] > 0.9)
    True
    """
    models = check_estimators(estimators)
    chosen = find_metrics(metrics)
    cohort = cohort_of(X, y, groups, cv, trusted_columns, random_state, subgroups=subgroups)
    n_rows = len(cohort.label)
    order = _order(cohort.classes, pos_label)
    try_metrics(chosen, len(order))
    covariates = _covariates(subgroups, cohort.X, n_rows)
    if cohort.groups is not None:
        _warn_of_few(cohort.groups)
    store = None
    if storage is not None:
        _check_same_folds(cohort, cv, isinstance(random_state, Integral))
        Path(storage).mkdir(parents=True, exist_ok=True)
        store = Outcomes(os.path.abspath(storage))
    asking = Asking(store, return_estimator, n_jobs, verbose)
    tasks = make_tasks(models, cohort.splits, cohort.X, cohort.y, kept=store is not None)
    found = outcomes(tasks, cohort.X, cohort.y, cohort.classes, asking)
    return Evaluation(
        predictions=_predictions(tasks, found, cohort, order),
        folds=_folds(tasks, found),
        groups=np.arange(n_rows) if cohort.groups is None else cohort.groups,
        classes=tuple(cohort.classes[order].tolist()),
        covariates=covariates,
        random_state=cohort.seed,
        metric_names=tuple(metric.name for metric in chosen),
        index=cohort.X.index if isinstance(cohort.X, pd.DataFrame) else None,
        leaks=cohort.leaks,
        X=X,
        y=y,
        estimators=_estimators(tasks, found) if return_estimator else {},
    )


def _order(classes: NDArray[Any], pos_label: Any) -> NDArray[np.intp]:
    """Give the order in which classes are told: of two, the positive one last."""
    order = np.arange(len(classes))
    if pos_label is None:
        return order
    if len(classes) > 2:
        raise ValueError(
            f"pos_label={pos_label!r} names the positive class of two, but y has {len(classes)}: "
            "leave it out, and see per_class() of the result for each class against the rest; or "
            "evaluate y == the class."
        )
    if pos_label not in classes.tolist():
        raise ValueError(f"pos_label={pos_label!r} is none of the classes {classes.tolist()}.")
    return order if classes[1] == pos_label else order[::-1]


def _check_same_folds(cohort: Cohort, cv: Any, seed_given: bool) -> None:
    own = cv is None or isinstance(cv, Integral)
    listed = not own and not hasattr(cv, "split")
    again = (
        cohort.splits
        if listed
        else draw_splits(cohort.X, cohort.label, cohort.groups, cv, cohort.seed)
    )
    if (own and not seed_given) or not same_splits(cohort.splits, again):
        raise ValueError(
            "With storage, folds must be the same in a later session: give random_state= an "
            "int, here where cv is an int or None, and to the splitter otherwise."
        )


def _warn_of_few(groups: NDArray[Any]) -> None:
    n_groups = len(set(groups.tolist()))
    if n_groups < _FEW:
        tell(
            f"There are {n_groups} groups, and the bootstrap draws whole ones: intervals and "
            "DeLong's test need more. If groups are sites with many patients each, give "
            "cv=list(splitter.split(X, y, sites)) and groups= the patients, or None where each "
            "row is one."
        )


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
    labels = list(native.columns if isinstance(native, nw.DataFrame) else native)
    for name in labels if names is None else names:
        if name not in labels:
            raise ValueError(f"subgroups names {name!r}, which is no column of X: {labels}.")
        column = native[name]
        values = column.to_numpy() if isinstance(column, nw.Series) else np.asarray(column)
        if values.shape != (n_rows,):
            raise ValueError(
                f"The subgroup {name!r} has shape {values.shape}, but X has {n_rows} rows."
            )
        columns[name] = values
    return pd.DataFrame(columns, index=pd.RangeIndex(n_rows))


def _predictions(
    tasks: list[Task], found: list[Outcome], cohort: Cohort, order: NDArray[np.intp]
) -> pd.DataFrame:
    classes, y = cohort.classes, np.asarray(cohort.y)
    names = classes[order].tolist()
    columns = probability_columns(names)
    parts = [
        pd.DataFrame(
            {
                "estimator": task.name,
                "repeat": task.split.repeat,
                "fold": task.split.fold,
                "row": task.split.test,
                "label": y[task.split.test],
                **dict(zip(columns, outcome.probability[:, order[-len(columns) :]].T, strict=True)),
                "predicted": classes[outcome.predicted],
            }
        )
        for task, outcome in zip(tasks, found, strict=True)
    ]
    return pd.concat(parts, ignore_index=True).rename_axis(columns=positive_class(names))


def _estimators(tasks: list[Task], found: list[Outcome]) -> dict[str, list[Any]]:
    fitted: dict[str, list[Any]] = {}
    for task, outcome in zip(tasks, found, strict=True):
        fitted.setdefault(task.name, []).append(outcome.estimator)
    return fitted


def _folds(tasks: list[Task], found: list[Outcome]) -> pd.DataFrame:
    def row(task: Task, outcome: Outcome) -> dict[str, Any]:
        split = task.split
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
