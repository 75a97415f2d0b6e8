"""How far predicted numbers are off, and how closely they follow those observed.

Each takes what is observed, quantiles (n, k), what is predicted, and weights of shape (n,) or
(b, n).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from skedema.evaluation.metrics._metric import Floats, Metric


def _mean(values: Floats, weight: Floats) -> Any:
    return weight @ values / weight.sum(axis=-1)


def _mae(observed: Floats, quantiles: Floats, predicted: Floats, weight: Floats) -> Any:
    return _mean(np.abs(predicted - observed), weight)


def _rmse(observed: Floats, quantiles: Floats, predicted: Floats, weight: Floats) -> Any:
    return np.sqrt(_mean((predicted - observed) ** 2, weight))


def _bias(observed: Floats, quantiles: Floats, predicted: Floats, weight: Floats) -> Any:
    return _mean(predicted - observed, weight)


def _median_absolute_error(
    observed: Floats, quantiles: Floats, predicted: Floats, weight: Floats
) -> Any:
    error = np.abs(predicted - observed)
    order = np.argsort(error, kind="stable")
    error, below = error[order], np.cumsum(weight[..., order], axis=-1)
    half = below[..., -1:] / 2
    # Of an even number the mean of the two in the middle.
    lower, upper = ((np.sum(tested, axis=-1)) for tested in (below < half, below <= half))
    return (error[lower] + error[np.minimum(upper, len(error) - 1)]) / 2


def _r2(observed: Floats, quantiles: Floats, predicted: Floats, weight: Floats) -> Any:
    return 1 - _mean((predicted - observed) ** 2, weight) / _variance(observed, weight)


def _pearson(observed: Floats, quantiles: Floats, predicted: Floats, weight: Floats) -> Any:
    # Far from 0 a variance would be a small difference of large numbers.
    one, other = observed - observed.mean(), predicted - predicted.mean()
    return _correlation(one, other, weight)


def _spearman(observed: Floats, quantiles: Floats, predicted: Floats, weight: Floats) -> Any:
    return _correlation(_ranks(observed, weight), _ranks(predicted, weight), weight)


def _correlation(one: Floats, other: Floats, weight: Floats) -> Any:
    """Correlate what is the same in all resamples, (n,), or differs, (b, n)."""

    def mean(values: Floats) -> Floats:
        found: Floats = (weight * values).sum(axis=-1, keepdims=True) / total
        return found

    total = weight.sum(axis=-1, keepdims=True)
    one, other = one - mean(one), other - mean(other)
    product = mean(one * other)
    return (product / np.sqrt(mean(one**2) * mean(other**2)))[..., 0]


def _ranks(values: Floats, weight: Floats) -> Floats:
    """Rank values of which each is there as often as it weighs; equal ones share the mean rank."""
    at = np.unique(values, return_inverse=True)[1]
    drawn = np.zeros((*weight.shape[:-1], at.max() + 1))
    np.add.at(np.moveaxis(drawn, -1, 0), at, np.moveaxis(weight, -1, 0))
    ranks: Floats = (np.cumsum(drawn, axis=-1) - (drawn - 1) / 2)[..., at]
    return ranks


def _variance(values: Floats, weight: Floats) -> Any:
    center = values - values.mean()
    return _mean(center**2, weight) - _mean(center, weight) ** 2


def _varies(values: Floats, weight: Floats) -> Any:
    low = np.where(weight > 0, values, np.inf).min(axis=-1)
    return low < np.where(weight > 0, values, -np.inf).max(axis=-1)


def _observed_varies(observed: Any, quantiles: Any, predicted: Any, weight: Any) -> Any:
    return _varies(observed, weight)


def _both_vary(observed: Any, quantiles: Any, predicted: Any, weight: Any) -> Any:
    return _varies(observed, weight) & _varies(predicted, weight)


def _metric(name: str, compute: Any, **others: Any) -> Metric:
    return Metric(name, compute, macro=False, batched=True, target="numbers", **others)


METRICS = (
    _metric("mae", _mae, greater_is_better=False),
    _metric("rmse", _rmse, greater_is_better=False),
    _metric("median_absolute_error", _median_absolute_error, greater_is_better=False),
    _metric("r2", _r2, defined=_observed_varies),
    _metric("pearson", _pearson, defined=_both_vary),
    _metric("spearman", _spearman, defined=_both_vary),
    _metric("bias", _bias, greater_is_better=None),
)
