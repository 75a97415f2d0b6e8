"""The figures of an evaluation: `Evaluation.metrics`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from skedema.evaluation.displays.forest import ForestDisplay
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
        return metric_names()

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

    def __repr__(self) -> str:
        names = sorted(name for name in dir(type(self)) if not name.startswith("_"))
        return f"<Metrics of {self._result!r}, with {', '.join(names)}>"
