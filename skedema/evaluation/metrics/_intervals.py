"""Intervals of metrics that are made of shares of patients, or of pairs of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skedema.evaluation.intervals import (
    effective_number,
    effective_numbers,
    newcombe,
    wilson,
)
from skedema.evaluation.metrics._metric import n_classes

#: Label, probability, predicted, row and patient of the rows of a repeat.
Repeat = tuple[NDArray[Any], ...]
Interval = Callable[[float, Sequence[Repeat], float], tuple[float, float] | None]


def proportion_of(count: Callable[..., tuple[Any, Any]]) -> Interval:
    """Make the interval of a metric that is a proportion of rows: Wilson's.

    Parameters
    ----------
    count : callable
        ``count(label, probability, predicted)`` gives two bool arrays of shape (n,): which rows
        count, and of which rows it is the proportion. To go to other processes, a function that can
        be imported.

    Returns
    -------
    callable
        For ``Metric(..., interval=)``. See `skedema.evaluation.intervals.proportion_interval` for
        rows of one patient; repeats make no further patients.

    Examples
    --------
    >>> from skedema.evaluation import Metric
    >>> from skedema.evaluation.metrics import proportion_of
    >>> def negative_predictive_value(label, probability, predicted, weight):
    ...     return weight @ (~label & ~predicted) / (weight @ ~predicted)
    >>> def of_those_called_negative(label, probability, predicted):
    ...     return ~label, ~predicted
    >>> def any_called_negative(label, probability, predicted, weight):
    ...     return weight @ ~predicted > 0
    >>> metric = Metric(
    ...     "npv",
    ...     negative_predictive_value,
    ...     any_called_negative,
    ...     interval=proportion_of(of_those_called_negative),
    ... )
    """
    return partial(_of_proportion, count)


def f1_interval(value: float, repeats: Sequence[Repeat], confidence: float) -> tuple[float, float]:
    """Give that of F1, which grows with a proportion J, as ``2 J / (1 + J)``.

    J is that of rows both positive and found among those that are either.
    """
    low, high = _of_proportion(_both_of_either, value / (2 - value), repeats, confidence)
    return 2 * low / (1 + low), 2 * high / (1 + high)


def auc_interval(value: float, repeats: Sequence[Repeat], confidence: float) -> tuple[float, float]:
    """Give that of the AUC; see `skedema.evaluation.intervals.auc_interval`."""
    label, _, _, row, patient = repeats[0]
    scores = None
    if all(np.array_equal(row, each[3]) for each in repeats):
        scores = np.stack([each[1] for each in repeats])
    else:
        label, _, _, row, patient = (np.concatenate(parts) for parts in zip(*repeats, strict=True))
    return newcombe(value, *effective_numbers(label, row, patient, value, scores), confidence)


def recalls_interval(
    value: float, repeats: Sequence[Repeat], confidence: float
) -> tuple[float, float]:
    """Give that of the mean of the recalls of all classes, which are of different rows."""
    classes = range(n_classes(repeats[0][1]))
    recalls = []
    for k in classes:
        of_class = [(label == k, p, said == k, *who) for label, p, said, *who in repeats]
        found = np.concatenate([said[label] for label, _, said, *_ in of_class]).mean()
        recalls.append((found, _of_proportion(found_of_positive, found, of_class, confidence)))
    return of_mean(value, recalls)


def sure_of_positives(
    value: float, repeats: Sequence[Repeat], confidence: float
) -> tuple[float, float] | None:
    """Give that of a mean over positives at 0 or 1; None in between.

    Of numbers from 0 to 1 with a given mean, none are all 1, or all 0, more often than those that
    are one or the other; so a proportion's interval is wide enough.
    """
    if value not in (0, 1):
        return None
    return _of_proportion(found_of_positive, value, repeats, confidence)


def of_mean(
    value: float, parts: Sequence[tuple[float, tuple[float, float]]]
) -> tuple[float, float]:
    """Give the interval of a mean of independent figures from theirs.

    Distances to the bounds are squared and added: Zou, G. Y., Donner, A. (2008). Construction of
    confidence limits about effect measures: a general approach. Statistics in Medicine 27,
    1693-1702.
    """
    below = np.sqrt(sum((each - low) ** 2 for each, (low, _) in parts)) / len(parts)
    above = np.sqrt(sum((high - each) ** 2 for each, (_, high) in parts)) / len(parts)
    return max(0.0, float(value - below)), min(1.0, float(value + above))


def of_difference(
    first: Mapping[str, float], second: Mapping[str, float], correlation: float
) -> tuple[float, float]:
    """Give the interval of a difference of two figures, each with low and high, from these.

    Zou and Donner (2008), as in `of_mean`; without correlation it is method 10 of Newcombe, R. G.
    (1998). Interval estimation for the difference between independent proportions: comparison of
    eleven methods. Statistics in Medicine 17, 873-890.
    """

    def away(one: Mapping[str, float], other: Mapping[str, float]) -> float:
        below, above = one["pooled"] - one["low"], other["high"] - other["pooled"]
        return float(np.sqrt(max(below**2 + above**2 - 2 * correlation * below * above, 0.0)))

    difference = first["pooled"] - second["pooled"]
    return difference - away(first, second), difference + away(second, first)


def found_of_positive(label: Any, probability: Any, predicted: Any) -> tuple[Any, Any]:
    """Count a recall."""
    return predicted, label


def _both_of_either(label: Any, probability: Any, predicted: Any) -> tuple[Any, Any]:
    return label & predicted, label | predicted


def _of_proportion(
    count: Callable[..., tuple[Any, Any]],
    value: float,
    repeats: Sequence[Repeat],
    confidence: float,
) -> tuple[float, float]:
    parts = []
    for label, probability, predicted, row, patient in repeats:
        counted, of = (np.asarray(each) for each in count(label, probability, predicted))
        parts.append((counted[of], row[of], patient[of]))
    n = effective_number(*(np.concatenate(each) for each in zip(*parts, strict=True)))
    return wilson(value, n, confidence)
