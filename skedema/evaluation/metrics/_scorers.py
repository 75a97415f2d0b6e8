"""Scorers of scikit-learn as metrics."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import get_scorer

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


def metric_of_scorer(name: str) -> Metric:
    """Give the metric that a scorer is; of two classes, 1 stands for the positive one."""
    scorer = get_scorer(name)

    def compute(label: Any, probability: Any, predicted: Any, weight: Any) -> float:
        if n_classes(probability) == 2:
            probability = np.column_stack([1 - probability, probability])
        foretold = _Foretold(probability, predicted.astype(int))
        # Not every scorer takes weights. Those of a bootstrap say how often a row was drawn.
        rows = np.repeat(np.arange(len(label)), weight.astype(int))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return float(scorer(foretold, rows, label[rows].astype(int)))

    return Metric(name, compute, every_class, macro=False)
