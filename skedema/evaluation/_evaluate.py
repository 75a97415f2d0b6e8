"""Several estimators on the same folds."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skedema._folds import told_together
from skedema._told import tell
from skedema.evaluation._cohort import (
    Cohort,
    are_of_numbers,
    check_estimators,
    cohort_of,
    quantiles_of,
)
from skedema.evaluation._external import fit_on_all, other_patients
from skedema.evaluation._folds import Asking, make_tasks, outcomes
from skedema.evaluation._gather import (
    class_order,
    covariates_of,
    estimators_of,
    fit_table,
    number_table,
    prediction_table,
)
from skedema.evaluation._outcome import Outcomes
from skedema.evaluation._splits import draw_splits, same_splits
from skedema.evaluation.metrics._registry import find_metrics, try_metrics, try_number_metrics
from skedema.evaluation.result import Evaluation

_FEW = 10


def evaluate(
    estimators: Mapping[str, Any],
    X: Any,
    y: Any,
    *,
    cv: Any = None,
    groups: Any = None,
    metrics: Iterable[str] | None = None,
    pos_label: Any = None,
    n_jobs: int | None = None,
    storage: str | os.PathLike[str] | None = None,
    subgroups: Any = None,
    test: tuple[Any, ...] | None = None,
    trusted_columns: Any = None,
    return_estimator: bool = True,
    random_state: Any = None,
    verbose: int = 0,
) -> Evaluation:
    """Fit and test several classifiers, or regressors, on the same folds.

    Each is cloned for each fold, fitted on the training part, and asked for the test part, so that
    scaling, early stopping, tuning and thresholds that belong to an estimator see the training
    part only. An estimator that tunes itself, such as `StudySearchCV` or `GridSearchCV`, makes it
    a nested cross-validation.

    Parameters
    ----------
    estimators : mapping of str to classifier or regressor
        By name, for the tables. Classifiers with ``predict_proba``, or regressors, with or without
        ``predict_quantiles``: see Notes.
    X : table or array-like of shape (n, n_features)
        One row a patient or scan.
    y : array-like of shape (n,)
        Two classes or more; of regressors finite numbers.
    cv : int, splitter, iterable or None, default=None
        Any splitter of scikit-learn, or (train, test) positions; drawn once. An int or None
        (5) is shuffled, stratified folds, which keep groups whole where there are `groups`; of
        numbers the strata are tenths.
    groups : array-like of shape (n,) or None, default=None
        The patient of each row. No fold may split one, whatever `cv` is, and the bootstrap draws
        whole ones. None: each row is a patient of its own.
    metrics : iterable of str or None, default=None
        What the tables hold unless they are asked for others: names of
        `skedema.evaluation.metrics.METRICS`, of numbers of `NUMBER_METRICS`, of `register_metric`,
        or of scikit-learn's scorers, which are greater for better. Those take about a millisecond a
        resample and fold. None: all of this package.
    pos_label : object, default=None
        The label of the positive class of two, whose probability, recall, precision and so on the
        figures are. None is the second in order, as elsewhere in scikit-learn: 1 of 0 and 1, True
        of False and True; of texts the second by alphabet, "none" of "edema" and "none". The
        ``repr`` and each table say which it is.
    n_jobs : int or None, default=None
        Fits at the same time, in processes that share the cores; or where
        `joblib.parallel_config` says, such as on Dask or Ray.
    storage : path or None, default=None
        A folder where each fold of each estimator is kept as soon as it is computed. The same
        call goes on where it was stopped, and an estimator that is added later is all that is
        computed. Other data, folds or parameters are never mixed up: see Notes.
    subgroups : list of str, table, mapping or None, default=None
        What `Evaluation.subgroups` may be asked for: names of columns of X, or other columns with
        a value a row, such as site or scanner.
    test : tuple (X, y) or (X, y, groups), or None, default=None
        Patients of another hospital, with the columns of X. Each estimator is fitted on all rows of
        X as well, and `Evaluation.external` is what it comes to on these. `subgroups` that are
        columns of X are theirs as well. See `validate` for estimators that are fitted already.
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
        When there are fewer than two classes, or `pos_label` is none of two; of numbers, when they
        are not finite, `pos_label` is given, or quantiles differ between estimators; a metric is
        unknown, of something else, or cannot be computed of so many classes; y, `groups` or
        `subgroups` belong to other rows of a pandas table, or stand in another order; a group is
        split; a fold cannot be used; with `storage`, when a later session would draw other folds.
    TypeError
        When estimators are not given by name, classifiers have no ``predict_proba``, or regressors
        stand beside classifiers; with `storage`, when
        something cannot be told from others in a later session.

    Warns
    -----
    UserWarning
        When a patient seems to be in several rows that are not of one group: the same scan, also by
        another path, through a link or as a copy; rows that agree in all clinical values, three or
        more of them numbers that no other row has; or, without `groups`, a repeated label of an
        index that is not a count. When a class is nowhere tested. When there are
        fewer than ten groups: drawing so few gives no interval worth the name. Once, of all columns
        of X that may tell the answer. What the estimators warn of, such as odd scans, is told once
        for all folds, with the numbers of rows in X.

    Notes
    -----
    **Numbers**: regressors, such as `skedema.AttentionMixerRegressor`, have errors, correlations
    and, where they have ``predict_quantiles(X)`` and ``quantiles``, figures of the interval between
    the lowest and the highest. Quantiles are also found at the end of a ``Pipeline``, in a
    search, and in a ``TransformedTargetRegressor``, whose inverse they go through; what else is
    around a regressor, such as bagging, gives numbers alone. What is for classes only, such as
    `Evaluation.per_class` and decision curves, is refused.

    **More than two classes**: see the notes of `Evaluation`. Each has to be in each training part.

    **Held-out sites** with a row a patient: ``cv=LeaveOneGroupOut(), groups=sites`` would draw
    whole sites in the bootstrap. ``cv=list(LeaveOneGroupOut().split(X, y, sites))``, with
    `groups` the patients or None, draws patients.

    **Nested searches** do not hear of `groups`: within a training part a search may split a
    patient, and choose less well for it. The outer test part stays unseen.

    **What is kept** goes by digests of the estimator's class, its code and its parameters (not
    `n_jobs`, `verbose`, `memory`), X, y, and the rows of a fold, in order. A scan given as a path
    counts by the path, and code that the class calls is not seen: after a change of either, take
    another folder. A file holds probabilities, decisions and seconds, and one beside it the fitted
    estimator as a pickle; both are verified when read. Unpickling runs code: go on only in a folder
    that nobody else writes to, or with ``return_estimator=False``, which unpickles nothing.

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
    numbers = are_of_numbers(models)
    chosen = find_metrics(metrics, numbers=numbers)
    quantiles = quantiles_of(models) if numbers else ()
    cohort = cohort_of(
        X, y, groups, cv, trusted_columns, random_state, numbers=numbers, subgroups=subgroups
    )
    n_rows = len(cohort.label)
    order = class_order(cohort.classes, pos_label)
    try_number_metrics(chosen) if numbers else try_metrics(chosen, len(order))
    covariates = covariates_of(subgroups, cohort.X, n_rows)
    others = None if test is None else other_patients(test, cohort, subgroups)
    if cohort.groups is not None:
        _warn_of_few(cohort.groups)
    store = None
    if storage is not None:
        _check_same_folds(cohort, cv, isinstance(random_state, Integral))
        Path(storage).mkdir(parents=True, exist_ok=True)
        store = Outcomes(os.path.abspath(storage))
    asking = Asking(store, return_estimator, n_jobs, verbose)
    tasks = make_tasks(models, cohort.splits, cohort.X, cohort.y, kept=store is not None)
    names = tuple(metric.name for metric in chosen)
    with told_together():
        found = outcomes(tasks, cohort.X, cohort.y, cohort.classes, asking)
        external = (
            None if others is None else fit_on_all(models, cohort, others, order, names, asking)
        )
    if cohort.classes is None:
        predictions = number_table(tasks, found, cohort.label, quantiles)
    else:
        predictions = prediction_table(tasks, found, cohort.y, cohort.classes, order)
    return Evaluation(
        predictions=predictions,
        folds=fit_table(tasks, found),
        groups=np.arange(n_rows) if cohort.groups is None else cohort.groups,
        classes=() if cohort.classes is None else tuple(cohort.classes[order].tolist()),
        quantiles=quantiles,
        covariates=covariates,
        random_state=cohort.seed,
        metric_names=names,
        index=cohort.X.index if isinstance(cohort.X, pd.DataFrame) else None,
        leaks=cohort.leaks,
        X=X,
        y=y,
        estimators=estimators_of(tasks, found),
        external=external,
    )


def _check_same_folds(cohort: Cohort, cv: Any, seed_given: bool) -> None:
    own = cv is None or isinstance(cv, Integral)
    listed = not own and not hasattr(cv, "split")
    again = (
        cohort.splits
        if listed
        else draw_splits(
            cohort.X,
            cohort.label,
            cohort.groups,
            cv,
            cohort.seed,
            numbers=cohort.classes is None,
        )
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
