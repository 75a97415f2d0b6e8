"""Figures of what an estimator's own ``predict`` says, as scikit-learn defines them."""

from __future__ import annotations

from typing import Any

import numpy as np

from skedema.evaluation.metrics._metric import Metric, always, any_positive, every_class, n_classes


def _accuracy(label: Any, probability: Any, predicted: Any, weight: Any) -> Any:
    return weight @ (label == predicted) / weight.sum(axis=-1)


def _balanced_accuracy(label: Any, probability: Any, predicted: Any, weight: Any) -> Any:
    of_class = [
        _recall(label == k, probability, predicted == k, weight)
        for k in range(n_classes(probability))
    ]
    return np.mean(of_class, axis=0)


def _precision(label: Any, probability: Any, predicted: Any, weight: Any) -> Any:
    return weight @ (label & predicted) / (weight @ predicted)


def _recall(label: Any, probability: Any, predicted: Any, weight: Any) -> Any:
    return weight @ (label & predicted) / (weight @ label)


def _specificity(label: Any, probability: Any, predicted: Any, weight: Any) -> Any:
    return _recall(~label, probability, ~predicted, weight)


def _f1(label: Any, probability: Any, predicted: Any, weight: Any) -> Any:
    return 2 * (weight @ (label & predicted)) / (weight @ label + weight @ predicted)


def _any_negative(label: Any, probability: Any, predicted: Any, weight: Any) -> Any:
    return weight @ ~label > 0


def _any_predicted(label: Any, probability: Any, predicted: Any, weight: Any) -> Any:
    return weight @ predicted > 0


def _any_of_both(label: Any, probability: Any, predicted: Any, weight: Any) -> Any:
    return weight @ (label | predicted) > 0


METRICS = (
    Metric("accuracy", _accuracy, always, macro=False, share=True, batched=True),
    Metric(
        "balanced_accuracy", _balanced_accuracy, every_class, macro=False, share=True, batched=True
    ),
    Metric("precision", _precision, _any_predicted, share=True, batched=True),
    Metric("recall", _recall, any_positive, share=True, batched=True),
    Metric("specificity", _specificity, _any_negative, share=True, batched=True),
    Metric("f1", _f1, _any_of_both, share=True, batched=True),
)
