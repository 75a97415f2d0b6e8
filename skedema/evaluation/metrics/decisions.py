"""Figures of what an estimator's own ``predict`` says, as scikit-learn defines them."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from skedema.evaluation.metrics._intervals import (
    f1_interval,
    found_of_positive,
    proportion_of,
    recalls_interval,
)
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


def _right(label: Any, probability: Any, predicted: Any) -> tuple[Any, Any]:
    return label == predicted, np.ones(len(label), dtype=bool)


def _positive_of_found(label: Any, probability: Any, predicted: Any) -> tuple[Any, Any]:
    return label, predicted


def _spared_of_negative(label: Any, probability: Any, predicted: Any) -> tuple[Any, Any]:
    return ~predicted, ~label


_BATCHED = partial(Metric, batched=True)
METRICS = (
    _BATCHED("accuracy", _accuracy, always, macro=False, interval=proportion_of(_right)),
    _BATCHED(
        "balanced_accuracy",
        _balanced_accuracy,
        every_class,
        macro=False,
        interval=recalls_interval,
    ),
    _BATCHED("precision", _precision, _any_predicted, interval=proportion_of(_positive_of_found)),
    _BATCHED("recall", _recall, any_positive, interval=proportion_of(found_of_positive)),
    _BATCHED(
        "specificity", _specificity, _any_negative, interval=proportion_of(_spared_of_negative)
    ),
    _BATCHED("f1", _f1, _any_of_both, interval=f1_interval),
)
