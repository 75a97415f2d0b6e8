"""Fitted estimators on patients of another hospital."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skedema._folds import told_together
from skedema._one_outcome import classes_of, predicts_numbers
from skedema.evaluation._cohort import are_of_numbers
from skedema.evaluation._external import external, others_of
from skedema.evaluation._folds import Task, ask
from skedema.evaluation._gather import class_order
from skedema.evaluation._splits import Split
from skedema.evaluation._tables import check_name
from skedema.evaluation.metrics._registry import find_metrics, try_metrics, try_number_metrics
from skedema.evaluation.result import Evaluation


def validate(
    fitted: Any,
    X: Any,
    y: Any,
    *,
    groups: Any = None,
    metrics: Iterable[str] | None = None,
    pos_label: Any = None,
    subgroups: Any = None,
    development: Any = None,
    random_state: Any = None,
) -> Evaluation:
    """Test fitted classifiers, or regressors, on patients of another hospital.

    Nothing is fitted: this is what TRIPOD+AI calls external validation, where the patients are
    others than those whom the models were made of.

    Parameters
    ----------
    fitted : classifier or regressor, or mapping of str to them
        Classifiers with ``predict_proba``; several by name, for the tables.
    X : table or array-like of shape (n, n_features)
        One row a patient or scan, with the columns of the fit.
    y : array-like of shape (n,)
        Their labels, of the classes of the fit, or their numbers.
    groups : array-like of shape (n,) or None, default=None
        The patient of each row, for intervals; None: each row is a patient of its own.
    metrics : iterable of str or None, default=None
        As in `evaluate`.
    pos_label : object, default=None
        The label of the positive class of two, as in `evaluate`.
    subgroups : list of str, table, mapping or None, default=None
        As in `evaluate`.
    development : table or tuple (table, groups) or None, default=None
        The X that the classifiers were fitted on, and the patient of each of its rows: to be warned
        of patients who are in both.
    random_state : int, RandomState instance or None, default=None
        For the bootstrap.

    Returns
    -------
    Evaluation
        Of kind "external", with figures, intervals, comparisons, subgroups and decision curves as
        that of `evaluate`. What is over folds is NaN.

    Raises
    ------
    ValueError
        When a label is none of the classes of the fit, or classifiers were fitted on different
        ones; a metric is unknown; y, `groups` or `subgroups` belong to other rows of a pandas
        table. Other columns than those of the fit are refused by the classifier itself.
    TypeError
        When one is not fitted, or has no ``predict_proba``.

    Warns
    -----
    UserWarning
        When rows seem to share a patient and are not of one group; when patients seem to be those
        of `development`, by the same scan (also a copy), the same clinical values or the same value
        in groups; when nobody is of a class.

    See Also
    --------
    evaluate : With ``test=(X, y)`` it fits on all rows first, and tests the fitted.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from skedema.evaluation import validate
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> tree = DecisionTreeClassifier(max_depth=3, random_state=0).fit(X[:400], y[:400])
    >>> result = validate({"tree": tree}, X[400:], y[400:], development=X[:400], random_state=0)
    >>> result
    <Evaluation of 1 estimator: external, 169 rows of 169 patients, positive class 1>
    >>> bool(result.summary(["roc_auc"])["pooled"][0] > 0.9)
    True
    """
    models = dict(fitted) if isinstance(fitted, Mapping) else {type(fitted).__name__: fitted}
    numbers = bool(models) and are_of_numbers(models)
    classes = _classes_of(models)
    chosen = find_metrics(metrics, numbers=numbers)
    order = class_order(classes, pos_label)
    try_number_metrics(chosen) if numbers else try_metrics(chosen, len(order))
    if development is not None and not isinstance(development, tuple):
        development = (development, None)
    others = others_of(X, y, groups, classes, subgroups, development)
    given = isinstance(random_state, Integral)
    seed = int(random_state) if given else int(check_random_state(random_state).randint(2**31))
    split = Split(0, 0, np.arange(0), np.arange(len(others.groups)))
    tasks = [Task(name, model, split, None) for name, model in models.items()]
    found = []
    with told_together():
        for name, model in models.items():
            try:
                found.append(ask(model, others.X, classes))
            except Exception as error:
                error.add_note(f"This was estimator {name!r}.")
                raise
    names = tuple(metric.name for metric in chosen)
    return external(tasks, found, others, (classes, order), seed, names)


def _classes_of(models: Mapping[str, Any]) -> NDArray[Any] | None:
    """Give the classes that all fitted classifiers share; None of regressors."""
    if not models:
        raise TypeError("fitted must be a fitted classifier, or a dict of them by name.")
    found: dict[str, NDArray[Any]] = {}
    for name, model in models.items():
        if not isinstance(name, str):
            raise TypeError(f"Names of estimators must be text, got {name!r}.")
        check_name(name)
        if predicts_numbers(model):
            check_is_fitted(model)
            continue
        if not hasattr(model, "predict_proba"):
            raise TypeError(
                f"Estimator {name!r} ({type(model).__name__}) has no predict_proba. Give fitted "
                "classifiers, one a name, such as {'mine': clf.fit(X, y)}."
            )
        if getattr(model, "classes_", None) is None:
            raise TypeError(
                f"Estimator {name!r} ({type(model).__name__}) is not fitted. Give clf.fit(X, y); "
                "or evaluate(..., test=(X, y)), which fits on all rows of X first."
            )
        found[name] = classes_of(model)
    if not found:
        return None
    first, classes = next(iter(found.items()))
    for name, others in found.items():
        if set(others.tolist()) != set(classes.tolist()):
            raise ValueError(
                f"Estimator {name!r} was fitted on the classes {others.tolist()}, but {first!r} on "
                f"{classes.tolist()}: validate them one by one."
            )
    return classes
