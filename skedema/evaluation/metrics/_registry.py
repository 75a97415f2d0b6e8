"""Metrics by name: those of this package, those that others register, scikit-learn's scorers."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import replace
from functools import partial, wraps
from typing import Any

import numpy as np
from sklearn.metrics import get_scorer_names

from skedema._registry import Registry, nearest_name
from skedema.evaluation._predictions import NumberPredictions, Predictions
from skedema.evaluation.metrics import (
    calibration,
    decisions,
    errors,
    predicted_intervals,
    probabilities,
    ranking,
    utility,
)
from skedema.evaluation.metrics._metric import SETTINGS, Metric, measured
from skedema.evaluation.metrics._scorers import metric_of_scorer, scorer_names

_FAMILIES = (ranking, decisions, probabilities, calibration, utility, errors, predicted_intervals)
_OWN = {metric.name: metric for family in _FAMILIES for metric in family.METRICS}
_OTHERS = Registry("metric", "skedema.metrics")

METRICS = tuple(name for name, metric in _OWN.items() if metric.target == "classes")
NUMBER_METRICS = tuple(name for name in _OWN if name not in METRICS)


def register_metric(metric: Metric) -> None:
    """Make a metric known by its name, to `evaluate`, its tables and `figures`.

    Parameters
    ----------
    metric : Metric
        An installed package can offer one without this call: by the entry-point group
        ``skedema.metrics``, with its name and a function without arguments that gives it.

    Raises
    ------
    TypeError
        When it is no `Metric`.
    ValueError
        When another metric, or a scorer of scikit-learn, has the name.

    Examples
    --------
    >>> from skedema.evaluation import Metric, register_metric
    >>> from skedema.evaluation.metrics import figures
    >>> def alarms(label, probability, predicted, weight):
    ...     return weight @ predicted / weight.sum()
    >>> register_metric(Metric("alarms", alarms, greater_is_better=None))
    >>> figures([0, 1, 0, 1], [0.1, 0.4, 0.6, 0.9], names=["alarms"])
    {'alarms': 0.5}
    """
    if not isinstance(metric, Metric):
        raise TypeError(f"register_metric takes a Metric, got {type(metric).__name__}.")
    if metric.name in _OWN:
        raise ValueError(f"The metric {metric.name!r} is skedema's own; take another name.")
    if metric.name in get_scorer_names():
        raise ValueError(f"{metric.name!r} is a scorer of scikit-learn; take another name.")
    # By the name of its function the registry tells the same thing, defined anew, from a clash.
    # Partials, lambdas and what a function defines have none of their own: the object decides.
    named = "<" not in getattr(metric.compute, "__qualname__", "<")
    factory = wraps(metric.compute)(lambda: metric) if named else partial(replace, metric)
    _OTHERS.register(metric.name, factory)


def metric_names(*, numbers: bool = False) -> list[str]:
    """List the names of all metrics of classes, or of numbers, but scikit-learn's scorers."""
    target = _target(numbers)
    others = [name for name in _OTHERS.names() if _registered(name).target == target]
    return [*(NUMBER_METRICS if numbers else METRICS), *others]


def find_metrics(names: Iterable[str] | None, *, numbers: bool = False) -> tuple[Metric, ...]:
    """Look metrics of classes, or of numbers, up, each once; a single text is one name.

    None is all of this package.
    """
    if names is None:
        names = NUMBER_METRICS if numbers else METRICS
    names = (names,) if isinstance(names, str) else names
    found = tuple(_found(name, numbers) for name in dict.fromkeys(names))
    for metric in found:
        if metric.target != _target(numbers):
            raise ValueError(
                f"The metric {metric.name!r} is of {metric.target}, and this is of "
                f"{_target(numbers)}. Of these are {', '.join(metric_names(numbers=numbers))}."
            )
    return found


def try_number_metrics(metrics: Iterable[Metric]) -> None:
    """As `try_metrics`, of numbers."""
    observed = np.array([1.0, 2, 4, 8, 16, 32])
    predicted = np.array([2.0, 1, 5, 7, 20, 30])
    quantiles = predicted[:, None] + [-1.5, 0.0, 1.5]
    rows = NumberPredictions(np.arange(6), observed, quantiles, predicted)
    _try(metrics, rows, np.array([[1.0] * 6, [3, 2, 1, 0, 1, 2]]), "numbers")


def _target(numbers: bool) -> str:
    return "numbers" if numbers else "classes"


def try_metrics(metrics: Iterable[Metric], n_classes: int) -> None:
    """Compute metrics of a few made-up rows, so that what cannot be is said before any fit."""
    label = np.tile(np.arange(n_classes), 4)
    other = np.where(np.arange(len(label)) < n_classes, (label + 1) % n_classes, label)
    probability = (np.eye(n_classes)[other] + 0.5) / (1 + 0.5 * n_classes)
    rows = Predictions(np.arange(len(label)), label, probability, other)
    weights = np.repeat([[1.0, 1, 1, 1], [3, 2, 1, 0]], n_classes, axis=1)
    _try(metrics, rows, weights, f"{n_classes} classes")


def _try(metrics: Iterable[Metric], rows: Predictions, weights: Any, what: str) -> None:
    settings = SETTINGS | {"quantiles": (0.05, 0.5, 0.95)}
    for metric in metrics:
        try:
            single = np.array([measured(metric, rows, each, settings) for each in weights])
            found = measured(metric, rows, weights, settings) if metric.batched else single
            if not np.allclose(found, single, rtol=1e-6, equal_nan=True):
                raise ValueError(
                    f"with batched=True, weights of shape {weights.shape} must give what each "
                    f"row of them gives, {single.tolist()}, not {found.tolist()}."
                )
        except Exception as error:
            raise ValueError(
                f"Metric {metric.name!r} cannot be computed of {what}: {error}"
            ) from error


def _registered(name: str) -> Metric:
    metric: Metric = replace(_OTHERS.make(name), name=name)
    return metric


def _found(name: str, numbers: bool) -> Metric:
    own: Metric | None = _OWN.get(name)
    # One of numbers, asked of classes, may be a scorer's name as well, which says more.
    if own is None or (not numbers and own.target == "numbers" and name in get_scorer_names()):
        return _other(name, numbers)
    return own


def _other(name: str, numbers: bool) -> Metric:
    if name in get_scorer_names():
        return metric_of_scorer(name, numbers=numbers)
    others = _OTHERS.names()
    if name in others:
        return _registered(name)
    close = difflib.get_close_matches(str(name), scorer_names(numbers=numbers), n=3, cutoff=0.5)
    such = f", such as {', '.join(map(repr, close))}" if close else ""
    nearest = nearest_name(str(name), metric_names(numbers=numbers))
    raise ValueError(
        f"There is no metric {name!r}. {nearest} The names of "
        f"scikit-learn's scorers are taken as well{such}; register_metric adds others."
    )
