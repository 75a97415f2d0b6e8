"""Whether intervals hold what is observed as often as they say, and how wide they are.

An interval is that between the lowest and the highest quantile that an estimator predicts. Of
estimators without quantiles nothing is defined.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from skedema.evaluation.metrics._intervals import proportion_of
from skedema.evaluation.metrics._metric import Floats, Metric


def _inside(observed: Floats, quantiles: Floats, predicted: Floats) -> tuple[Any, Any]:
    inside = (quantiles[:, 0] <= observed) & (observed <= quantiles[:, -1])
    return inside, np.ones(len(observed), dtype=bool)


def _coverage(observed: Floats, quantiles: Floats, predicted: Floats, weight: Floats) -> Any:
    inside, _ = _inside(observed, quantiles, predicted)
    return weight @ inside / weight.sum(axis=-1)


def _coverage_error(
    observed: Floats,
    predicted_quantiles: Floats,
    predicted: Floats,
    weight: Floats,
    *,
    quantiles: tuple[float, ...],
) -> Any:
    nominal = quantiles[-1] - quantiles[0]
    return _coverage(observed, predicted_quantiles, predicted, weight) - nominal


def _width(observed: Floats, quantiles: Floats, predicted: Floats, weight: Floats) -> Any:
    return weight @ (quantiles[:, -1] - quantiles[:, 0]) / weight.sum(axis=-1)


def _pinball(
    observed: Floats,
    predicted_quantiles: Floats,
    predicted: Floats,
    weight: Floats,
    *,
    quantiles: tuple[float, ...],
) -> Any:
    """Give the mean pinball loss of all quantiles (Koenker and Bassett 1978), in the unit of y."""
    levels, distance = np.array(quantiles), observed[:, None] - predicted_quantiles
    loss = np.maximum(levels * distance, (levels - 1) * distance).mean(axis=1)
    return weight @ loss / weight.sum(axis=-1)


def _there(observed: Any, quantiles: Any, predicted: Any, weight: Any) -> Any:
    return np.full(np.shape(weight)[:-1], quantiles.shape[1] > 1 and not np.isnan(quantiles).any())


def _metric(name: str, compute: Any, **others: Any) -> Metric:
    return Metric(name, compute, _there, macro=False, batched=True, target="numbers", **others)


METRICS = (
    _metric("coverage", _coverage, greater_is_better=None, interval=proportion_of(_inside)),
    _metric("coverage_error", _coverage_error, greater_is_better=None, settings=("quantiles",)),
    _metric("width", _width, greater_is_better=False),
    _metric("pinball", _pinball, greater_is_better=False, settings=("quantiles",)),
)
