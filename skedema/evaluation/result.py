"""What an evaluation came to."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from skedema._pages import Page
from skedema.clinical.leaks import Leak
from skedema.evaluation._accessor import MetricsAccessor
from skedema.evaluation._inspection import InspectionAccessor
from skedema.evaluation._predictions import positive_class
from skedema.evaluation._tabulated import Tabulated
from skedema.evaluation.metrics._metric import SETTINGS
from skedema.evaluation.metrics._registry import METRICS
from skedema.frames import counted

__all__ = ["Evaluation"]

# In a notebook, where few are quick to compute and to read; `table` has all.
_SHOWN = ("roc_auc", "recall", "specificity", "brier", "mae", "rmse", "r2", "coverage")


@dataclass(frozen=True, repr=False)
class Evaluation(Tabulated):
    """Predictions out of fold of several estimators, and tables of them.

    Made by `evaluate`. Each figure comes in two ways. **Pooled**: all rows out of fold together,
    each predicted by the model that did not see it; of several repeats, the mean. **Per fold**:
    mean and standard deviation over folds, which says how much a single split varies. Pooled AUCs
    rank predictions of different models against each other, and are a little lower than the mean
    over folds where these are calibrated differently.

    Intervals tell what other patients would change, with the models as they are, not what other
    training samples would. Those of proportions (accuracy, recall, specificity, precision, F1) are
    Wilson's, those of AUCs Newcombe's, whatever the figure and the number of patients: see
    `skedema.evaluation.intervals`, also for rows of one patient. All others are percentiles of a
    bootstrap that draws patients with replacement, with all their rows and repeats.

    Parameters
    ----------
    predictions : DataFrame
        One row a prediction: estimator, repeat, fold, row (position in X), label, probability (of
        the positive class; of more than two, ``probability_<class>`` of each), predicted (what the
        estimator's own ``predict`` says). Of numbers ``observed`` in place of the label, predicted,
        and ``quantile_<level>`` of each quantile, if an estimator predicts any.
    folds : DataFrame
        One row a fit: estimator, repeat, fold, n_train, n_test, fit_seconds, predict_seconds.
    groups : ndarray of shape (n,)
        The patient of each row of X.
    classes : tuple
        The negative and the positive class, or all of more, in order; empty of numbers.
    covariates : DataFrame
        Columns that `subgroups` may be asked for, one row a row of X.
    random_state : int
        Of the bootstrap.
    metric_names : tuple of str, default=METRICS
        What `per_fold`, `summary`, `table` and `per_class` hold unless they are asked for others.
    specificity : float, default=0.9
        Of `sensitivity_at_specificity`; ``dataclasses.replace(result, specificity=0.95)`` gives
        the same evaluation at another one.
    threshold : float, default=0.5
        Of `net_benefit`.
    quantiles : tuple of float, default=()
        The levels of predicted quantiles.
    index : pandas.Index or None, default=None
        The row labels of X, where it is a pandas table.
    leaks : tuple of Leak, default=()
        Columns of X that may tell the answer, with what speaks for it; ``str(leak)`` says both.
    X, y : object, default=None
        The rows and their labels, as given.
    estimators : dict of str to list, default={}
        By name the fitted estimators, in the order of that name's rows in `folds`; empty with
        ``evaluate(..., return_estimator=False)``.
    external : Evaluation or None, default=None
        Of the patients of another hospital, where `evaluate` was given them as `test`.
    kind : {"cross-validation", "external"}, default="cross-validation"
        Whether the patients are those of the folds, or others, each predicted once by a model that
        was fitted on none of them. Then a row of `folds` is such a model (n_train is NaN where
        that is not known, by `validate`), and what tables have over folds is NaN.

    See Also
    --------
    evaluate : Makes it.

    Notes
    -----
    Accuracy, balanced accuracy, precision, recall, specificity and F1 count what the estimator's
    own ``predict`` says: a probability of at least 0.5 for most, and the threshold that one such as
    `TunedThresholdClassifierCV` has tuned on its training part.

    The positive class of two stands in the ``repr`` and above the columns of each table
    (``table.columns.name``). Of more than two classes a figure is the mean of those of each class
    against the rest, all classes counting the same (as scikit-learn's ``average="macro"``, of the
    AUC with ``multi_class="ovr"``), but for accuracy, balanced accuracy, Brier score and log loss,
    which are scikit-learn's of all classes. `per_class` has each class by itself.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skedema.evaluation import evaluate
    >>> X, y = load_iris(return_X_y=True)
    >>> result = evaluate({"logistic": LogisticRegression(C=0.1)}, X, y, random_state=0)
    >>> result
    <Evaluation of 1 estimator: 150 rows of 150 patients, 1 x 5 folds, 3 classes>
    >>> result.table(["accuracy"], digits=2, n_resamples=200)
                         accuracy
    estimator
    logistic  0.95 (0.91 to 0.98)
    """

    predictions: pd.DataFrame
    folds: pd.DataFrame
    groups: NDArray[Any]
    classes: tuple[Any, ...]
    covariates: pd.DataFrame
    random_state: int
    metric_names: tuple[str, ...] = METRICS
    specificity: float = SETTINGS["specificity"]
    threshold: float = SETTINGS["threshold"]
    quantiles: tuple[float, ...] = ()
    index: pd.Index | None = None
    leaks: tuple[Leak, ...] = ()
    X: Any = None
    y: Any = None
    estimators: dict[str, list[Any]] = field(default_factory=dict)
    external: Evaluation | None = None
    kind: str = "cross-validation"

    def __post_init__(self) -> None:
        if self.external is not None:  # figures of both stand side by side
            same = dataclasses.replace(
                self.external, specificity=self.specificity, threshold=self.threshold
            )
            object.__setattr__(self, "external", same)

    @property
    def metrics(self) -> MetricsAccessor:
        """Figures and pictures by name, as skore's reports have them."""
        return MetricsAccessor(self)

    @property
    def inspection(self) -> InspectionAccessor:
        """What the models go by, each on patients it has not seen."""
        return InspectionAccessor(self)

    def report(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        model: str | None = None,
        sections: Iterable[str] | None = None,
        n_cases: int = 4,
        n_resamples: int = 2000,
        identifiers: bool = False,
        title: str | None = None,
    ) -> Page:
        """Make a report: one file of HTML, which asks no network for anything.

        Parameters
        ----------
        path : path or None, default=None
            Where it is written, whole or not at all. None: nowhere yet.
        model : str or None, default=None
            The estimator that is looked into: importance, attention, mistakes. None: the first.
        sections : iterable of str or None, default=None
            Those that the page has, in its own order: "summary", "cohort", "performance",
            "comparison", "subgroups", "external", "importance", "attention", "missingness",
            "gallery", "scans", "methods", "model_card", "tripod". None: all. One that cannot be
            had says why, and what to do.
        n_cases : int, default=4
            Patients of the gallery, whose scans are in the page: about half a megabyte each.
        n_resamples : int, default=2000
            Of each bootstrap.
        identifiers : bool, default=False
            Whether the page may say who a patient is. Else labels of rows, paths, and columns that
            look like names, numbers or dates of patients are nowhere in it.
        title : str or None, default=None
            The heading.

        Returns
        -------
        Page
            With `save_as_html(path)` and `open_in_browser()`; a notebook shows it.

        Raises
        ------
        ImportError
            Without jinja2 and matplotlib.
        ValueError
            When there is no such estimator or section.
        OSError
            When it cannot be written.

        Warns
        -----
        UserWarning
            When importance or scans will take more than about a minute, before they begin; and
            where a section cannot be made.
        """
        from skedema.evaluation._report import Material, checked_model, make_report

        chosen = checked_model(self, model)
        material = Material(self, chosen, n_cases, n_resamples, identifiers)
        return make_report(material, path, sections=sections, title=title)

    def __repr__(self) -> str:
        rows = f"{len(self.groups)} rows of {len(set(self.groups.tolist()))} patients"
        classes = positive_class(self.classes) or f"{len(self.classes)} classes"
        if self.of_numbers:
            classes = "numbers"
        found = f"{counted(len(self.names), 'estimator', 'estimators')}: "
        if self.kind == "external":
            return f"<Evaluation of {found}external, {rows}, {classes}>"
        folds = self.folds[self.folds["estimator"] == self.names[0]]
        n_repeats = folds["repeat"].nunique()
        of_repeat = folds.groupby("repeat").size().unique()
        shape = f"{n_repeats} x {of_repeat[0]}" if len(of_repeat) == 1 else f"{len(folds)}"
        beside = f"; {len(self.external.groups)} external rows" if self.external else ""
        return f"<Evaluation of {found}{rows}, {shape} folds, {classes}{beside}>"

    def _repr_html_(self) -> str:
        shown = [name for name in _SHOWN if name in self.metric_names] or self.metric_names[:4]
        parts = [self] if self.external is None else [self, self.external]
        return "".join(
            f"<p>{escape(repr(part))}</p>{part.table(shown, form='html')}" for part in parts
        )
