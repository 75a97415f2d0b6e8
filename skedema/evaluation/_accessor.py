"""The figures of an evaluation: `Evaluation.metrics`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from skedema.evaluation.displays.bland_altman import BlandAltmanDisplay
from skedema.evaluation.displays.calibration import CalibrationDisplay
from skedema.evaluation.displays.confusion_matrix import ConfusionMatrixDisplay
from skedema.evaluation.displays.decision_curve import DecisionCurveDisplay
from skedema.evaluation.displays.forest import ForestDisplay
from skedema.evaluation.displays.interval_calibration import IntervalCalibrationDisplay
from skedema.evaluation.displays.precision_recall import PrecisionRecallDisplay
from skedema.evaluation.displays.predicted_observed import PredictedObservedDisplay
from skedema.evaluation.displays.roc_curve import RocCurveDisplay
from skedema.evaluation.metrics._registry import metric_names


class MetricsAccessor:
    """Figures and pictures of all estimators of an evaluation.

    Names are those of `skore.CrossValidationReport` where the idea is the same.

    Parameters
    ----------
    result : Evaluation
        Whose.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from skedema.evaluation import evaluate
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> result = evaluate({"tree": DecisionTreeClassifier(max_depth=3)}, X, y, random_state=0)
    >>> frame = result.metrics.summarize(metric="roc_auc").frame()
    >>> frame[["panel", "label"]].values.tolist()
    [['AUC', 'tree']]
    """

    def __init__(self, result: Any) -> None:
        self._result = result

    def available(self) -> list[str]:
        """List the metrics of this package and those that were registered.

        Returns
        -------
        list of str
            Names that `summarize` takes, beside those of scikit-learn's scorers.
        """
        return metric_names(numbers=self._result.of_numbers)

    def summarize(
        self,
        *,
        metric: str | Iterable[str] | None = None,
        n_resamples: int = 2000,
        confidence: float = 0.95,
    ) -> ForestDisplay:
        """Show metrics with their intervals, by estimator.

        Parameters
        ----------
        metric : str, iterable of str or None, default=None
            Which. None: those that `evaluate` was given.
        n_resamples : int, default=2000
            Of the bootstrap.
        confidence : float, default=0.95
            Of the interval.

        Returns
        -------
        ForestDisplay
            A panel a metric; `Evaluation.summary` has the same figures and more as a table.
        """
        summary = self._result.summary(metric, n_resamples=n_resamples, confidence=confidence)
        return ForestDisplay.from_summary(summary)

    def roc(self, *, pos_label: Any = None, **options: Any) -> RocCurveDisplay:
        """Show the ROC curves.

        Parameters
        ----------
        pos_label : object, default=None
            The class. None: of two the positive one, of more each against the rest.
        **options
            Others of `RocCurveDisplay`.

        Returns
        -------
        RocCurveDisplay
            Of all estimators.
        """
        return RocCurveDisplay.from_evaluation(self._result, pos_label=pos_label, **options)

    def precision_recall(self, *, pos_label: Any = None, **options: Any) -> PrecisionRecallDisplay:
        """Show precision over recall.

        Parameters
        ----------
        pos_label : object, default=None
            The class. None: of two the positive one, of more each against the rest.
        **options
            Others of `PrecisionRecallDisplay`.

        Returns
        -------
        PrecisionRecallDisplay
            Of all estimators.
        """
        return PrecisionRecallDisplay.from_evaluation(self._result, pos_label=pos_label, **options)

    def confusion_matrix(self) -> ConfusionMatrixDisplay:
        """Show who is taken for what.

        Returns
        -------
        ConfusionMatrixDisplay
            A panel an estimator.
        """
        return ConfusionMatrixDisplay.from_evaluation(self._result)

    def calibration(self, *, pos_label: Any = None, **options: Any) -> CalibrationDisplay:
        """Show observed shares over predicted probabilities.

        Parameters
        ----------
        pos_label : object, default=None
            The class. None: of two the positive one, of more each against the rest.
        **options
            Others of `CalibrationDisplay`.

        Returns
        -------
        CalibrationDisplay
            A panel an estimator and class.
        """
        return CalibrationDisplay.from_evaluation(self._result, pos_label=pos_label, **options)

    def decision_curve(self, *, pos_label: Any = None, **options: Any) -> DecisionCurveDisplay:
        """Show the net benefit over thresholds.

        Parameters
        ----------
        pos_label : object, default=None
            The class that would be treated. None: of two the positive one, of more each.
        **options
            Others of `DecisionCurveDisplay`.

        Returns
        -------
        DecisionCurveDisplay
            Of all estimators, with treating all and none.
        """
        return DecisionCurveDisplay.from_evaluation(self._result, pos_label=pos_label, **options)

    def bland_altman(self, **options: Any) -> BlandAltmanDisplay:
        """Show agreement of predicted with observed numbers: bias and limits.

        Parameters
        ----------
        **options
            Those of `BlandAltmanDisplay`.

        Returns
        -------
        BlandAltmanDisplay
            A panel an estimator.
        """
        return BlandAltmanDisplay.from_evaluation(self._result, **options)

    def predicted_observed(self, **options: Any) -> PredictedObservedDisplay:
        """Show observed over predicted numbers, with the line of calibration.

        Parameters
        ----------
        **options
            Those of `PredictedObservedDisplay`.

        Returns
        -------
        PredictedObservedDisplay
            A panel an estimator.
        """
        return PredictedObservedDisplay.from_evaluation(self._result, **options)

    def interval_calibration(self, **options: Any) -> IntervalCalibrationDisplay:
        """Show whether as many lie below predicted quantiles as these say.

        Parameters
        ----------
        **options
            Those of `IntervalCalibrationDisplay`.

        Returns
        -------
        IntervalCalibrationDisplay
            Of all estimators with quantiles.
        """
        return IntervalCalibrationDisplay.from_evaluation(self._result, **options)

    def forest(
        self,
        reference: str | None = None,
        metric: str | None = None,
        *,
        by: Any = None,
        **options: Any,
    ) -> ForestDisplay:
        """Show differences against a reference, or a metric by subgroup.

        Parameters
        ----------
        reference : str or None, default=None
            The estimator to compare all others with, paired, as `Evaluation.compare`. None, without
            `by`, shows the metric itself, by estimator.
        metric : str or None, default=None
            Which. None: ``"roc_auc"``, of numbers ``"mae"``.
        by : str or array-like or None, default=None
            Subgroups to show the metric in, as `Evaluation.subgroups` takes them.
        **options
            Others of `Evaluation.compare`, `Evaluation.subgroups` or `summarize`.

        Returns
        -------
        ForestDisplay
            A row an estimator, or an estimator and subgroup.

        Raises
        ------
        ValueError
            When there are both a reference and subgroups, or no such estimator or metric.
        """
        metric = metric or self._result.first_metric
        if by is not None:
            if reference is not None:
                raise ValueError("Give a reference or subgroups (by=), not both.")
            table = self._result.subgroups(by, metrics=[metric], **options)
            return ForestDisplay.from_subgroups(table)
        if reference is None:
            return self.summarize(metric=metric, **options)
        return ForestDisplay.from_comparison(self._result.compare(reference, metric, **options))

    def timings(self) -> pd.DataFrame:
        """Tabulate how long fits and predictions took.

        Returns
        -------
        DataFrame
            Index estimator and "Fit time (s)" or "Predict time (s)"; mean and std over folds.
        """
        folds = self._result.folds.set_index("estimator")
        seconds = folds[["fit_seconds", "predict_seconds"]].set_axis(
            ["Fit time (s)", "Predict time (s)"], axis=1
        )
        groups = seconds.stack().groupby(level=[0, 1], sort=False)
        return groups.agg(["mean", "std"]).rename_axis(["estimator", None])

    def __repr__(self) -> str:
        names = sorted(name for name in dir(type(self)) if not name.startswith("_"))
        return f"<Metrics of {self._result!r}, with {', '.join(names)}>"
