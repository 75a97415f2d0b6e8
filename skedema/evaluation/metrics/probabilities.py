"""Figures of how far probabilities are from what came true, as scikit-learn defines them."""

from __future__ import annotations

from typing import Any

import numpy as np

from skedema.evaluation.metrics._metric import Metric, always


def _brier(label: Any, probability: Any, predicted: Any, weight: Any) -> Any:
    if probability.ndim == 1 and weight.ndim == 2:  # not by 1 - (1 - p), which is rounded
        return _mean((probability - label) ** 2, weight)
    of_class = _columns(probability)
    came_true = label[:, None] == np.arange(of_class.shape[1])
    mean = _mean(((came_true - of_class) ** 2).sum(axis=1), weight)
    return mean / 2 if of_class.shape[1] == 2 else mean


def _log_loss(label: Any, probability: Any, predicted: Any, weight: Any) -> Any:
    came_true = _columns(probability)[np.arange(len(label)), label.astype(int)]
    eps = np.finfo(np.float64).eps
    return _mean(-np.log(np.clip(came_true, eps, 1 - eps)), weight)


def _columns(probability: Any) -> Any:
    return np.column_stack([1 - probability, probability]) if probability.ndim == 1 else probability


def _mean(loss: Any, weight: Any) -> Any:
    # Summed as scikit-learn does, to the last bit; many weightings at once by one product.
    if weight.ndim == 1:
        return np.average(loss, weights=weight)
    return weight @ loss / weight.sum(axis=1)


METRICS = (
    Metric("brier", _brier, always, greater_is_better=False, macro=False, batched=True),
    Metric("log_loss", _log_loss, always, greater_is_better=False, macro=False, batched=True),
)
