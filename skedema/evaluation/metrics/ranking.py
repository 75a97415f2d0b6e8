"""Figures of how probabilities rank patients, whatever their size."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from skedema.evaluation.metrics._intervals import auc_interval, sure_of_positives
from skedema.evaluation.metrics._metric import Metric, any_positive, every_class


def _roc_auc(label: Any, probability: Any, predicted: Any, weight: Any) -> Any:
    if weight.ndim == 1:
        return roc_auc_score(label, probability, sample_weight=weight)
    # The same, but for rounding: 2000 resamples in a hundredth of the time.
    positive, negative = by_probability(label, probability, weight)
    n_negative = negative.sum(axis=1)
    below = n_negative[:, None] - negative.cumsum(axis=1) + negative / 2
    return (positive * below).sum(axis=1) / (positive.sum(axis=1) * n_negative)


def _average_precision(label: Any, probability: Any, predicted: Any, weight: Any) -> Any:
    if weight.ndim == 1:
        return average_precision_score(label, probability, sample_weight=weight)
    positive, negative = by_probability(label, probability, weight)  # as above
    tp, fp = positive.cumsum(axis=1), negative.cumsum(axis=1)
    precision = np.divide(tp, tp + fp, out=np.zeros_like(tp), where=tp + fp > 0)
    return (positive * precision).sum(axis=1) / tp[:, -1]


def by_probability(label: Any, probability: Any, weight: Any) -> tuple[Any, Any]:
    """Weigh the positives and the negatives at each probability that occurs, from the greatest."""
    order = np.argsort(-probability, kind="stable")
    ordered = probability[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    weight, label = weight[..., order], label[order]
    return (
        np.add.reduceat(weight * label, starts, axis=-1),
        np.add.reduceat(weight * ~label, starts, axis=-1),
    )


_BATCHED = partial(Metric, batched=True)
METRICS = (
    _BATCHED("roc_auc", _roc_auc, every_class, interval=auc_interval),
    _BATCHED("average_precision", _average_precision, any_positive, interval=sure_of_positives),
)
