"""Scorers of scikit-learn as metrics."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import get_scorer, get_scorer_names

from skedema._told import recorded
from skedema.evaluation.metrics._metric import Metric, every_class, n_classes


class _Foretold(ClassifierMixin, BaseEstimator):
    """A classifier whose X are positions of rows of which all predictions are there."""

    def __init__(self, probability: Any, predicted: Any) -> None:
        self.probability = probability
        self.predicted = predicted
        self.classes_ = np.arange(probability.shape[1])

    def predict_proba(self, X: Any) -> Any:
        return self.probability[X]

    def predict(self, X: Any) -> Any:
        return self.predicted[X]


class _ForetoldNumbers(RegressorMixin, BaseEstimator):
    """The same of numbers."""

    def __init__(self, predicted: Any) -> None:
        self.predicted = predicted

    def predict(self, X: Any) -> Any:
        return self.predicted[X]


def metric_of_scorer(name: str, *, numbers: bool = False) -> Metric:
    """Give the metric that a scorer is; of two classes, 1 stands for the positive one."""
    if numbers:
        return _of_numbers(name)
    if not _of_classes(name):
        raise ValueError(
            f"scikit-learn's scorer {name!r} is of numbers or of clusters, not of classes: it "
            f"would take the codes of classes for such. Of classes are {', '.join(scorer_names())}."
        )
    scorer = get_scorer(name)

    def compute(label: Any, probability: Any, predicted: Any, weight: Any) -> float:
        if n_classes(probability) == 2:
            probability = np.column_stack([1 - probability, probability])
        foretold = _Foretold(probability, predicted.astype(int))
        # Not every scorer takes weights. Those of a bootstrap say how often a row was drawn.
        rows = np.repeat(np.arange(len(label)), weight.astype(int))
        with recorded():
            return float(scorer(foretold, rows, label[rows].astype(int)))

    return Metric(name, compute, every_class, macro=False)


def _of_numbers(name: str) -> Metric:
    if name not in scorer_names(numbers=True):
        raise ValueError(
            f"scikit-learn's scorer {name!r} is not of numbers. Of numbers are "
            f"{', '.join(scorer_names(numbers=True))}."
        )
    scorer = get_scorer(name)

    def compute(observed: Any, quantiles: Any, predicted: Any, weight: Any) -> float:
        rows = np.repeat(np.arange(len(observed)), weight.astype(int))
        with recorded():
            return float(scorer(_ForetoldNumbers(predicted), rows, observed[rows]))

    return Metric(name, compute, macro=False, target="numbers")


def scorer_names(*, numbers: bool = False) -> list[str]:
    """List scikit-learn's scorers of classes, or of numbers."""
    belongs = _of_regression if numbers else _of_classes
    return [name for name in get_scorer_names() if belongs(name)]


def _of_classes(name: str) -> bool:
    return not (_of_regression(name) or _home(name).startswith("sklearn.metrics.cluster"))


def _of_regression(name: str) -> bool:
    return _home(name).startswith("sklearn.metrics._regression")


def _home(name: str) -> str:
    # scikit-learn says what a scorer is of nowhere else than by the module of its function.
    return str(get_scorer(name)._score_func.__module__)
