"""What a metric is, and how it is computed of two classes and of more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from skedema.evaluation._predictions import Predictions

Floats = NDArray[np.float64]

SETTINGS: dict[str, Any] = {"specificity": 0.9, "threshold": 0.5, "quantiles": ()}


def always(label: Any, probability: Any, predicted: Any, weight: Any) -> Any:
    """Whatever the rows are."""
    return np.full(np.shape(weight)[:-1], True)


def every_class(label: Any, probability: Any, predicted: Any, weight: Any) -> Any:
    """Where there are rows of each class."""
    there = [weight @ (label == k) > 0 for k in range(n_classes(probability))]
    return np.logical_and.reduce(there)


def any_positive(label: Any, probability: Any, predicted: Any, weight: Any) -> Any:
    """Where there are rows of the positive class."""
    return weight @ label > 0


def n_classes(probability: NDArray[Any]) -> int:
    """Count classes by the form of the probabilities."""
    return 2 if probability.ndim == 1 else probability.shape[1]


@dataclass(frozen=True)
class Metric:
    """A figure of predictions.

    Parameters
    ----------
    name : str
        What it is called in tables.
    compute : callable
        ``compute(label, probability, predicted, weight)`` gives a float. `label` is a bool array of
        shape (n,), True for the positive class; `probability` that class's, of shape (n,);
        `predicted` a bool array of shape (n,), what the estimator's ``predict`` says; `weight` a
        float array of shape (n,), how often each row counts: 1, or how often the bootstrap drew it.
    defined : callable, default=always
        The same arguments; says whether the figure is defined. Where it is not, it is NaN, and
        `compute` is not called.
    greater_is_better : bool or None, default=True
        None for one that is best somewhere between.
    macro : bool, default=True
        Of more than two classes the figure is the mean of those of each class against the rest,
        not defined where a class has no row.
        False: `compute` is given all classes at once, `label` and `predicted` as int arrays of
        classes from 0 to K - 1, `probability` of shape (n, K); of two classes, as above.
    batched : bool, default=False
        Whether `compute` and `defined` also take weights of shape (b, n), one a resample, and
        give b values. Otherwise they are called for each resample.
    settings : tuple of str, default=()
        Which of "specificity", "threshold" and "quantiles" (the levels of those that are predicted)
        `compute` takes as keywords.
    target : {"classes", "numbers"}, default="classes"
        What it is a figure of. Of numbers `label` is a float array, what was observed, `predicted`
        what was predicted, `probability` of shape (n, k) the predicted quantiles, in order, NaN
        where there are none; `macro` has to be False.
    interval : callable or None, default=None
        ``interval(value, repeats, confidence)`` gives low and high of the figure of all rows, such
        as `proportion_of` makes it. A repeat is the arrays label, probability, predicted, row and
        patient. None, and where it gives None: percentiles of the bootstrap.

    Raises
    ------
    ValueError
        When `settings` names another.

    See Also
    --------
    register_metric : Gives it a name that `evaluate` and `figures` take.

    Examples
    --------
    >>> from skedema.evaluation import Metric
    >>> from sklearn.metrics import matthews_corrcoef
    >>> def mcc(label, probability, predicted, weight):
    ...     return matthews_corrcoef(label, predicted, sample_weight=weight)
    >>> Metric("mcc", mcc).greater_is_better
    True
    """

    name: str
    compute: Callable[..., Any]
    defined: Callable[..., Any] = field(default_factory=lambda: always)
    greater_is_better: bool | None = True
    macro: bool = True
    batched: bool = False
    settings: tuple[str, ...] = ()
    target: Literal["classes", "numbers"] = "classes"
    interval: Callable[..., tuple[float, float] | None] | None = None

    def __post_init__(self) -> None:
        if not set(self.settings) <= set(SETTINGS):
            raise ValueError(
                f"settings of metric {self.name!r} must be a tuple of names out of "
                f"{tuple(SETTINGS)}, got {self.settings!r}."
            )


def measured(
    metric: Metric,
    predictions: Predictions,
    weight: Floats,
    settings: Mapping[str, Any],
    against_rest: int | None = None,
) -> Any:
    """Compute a metric: a number for weights of shape (n,), b of them for (b, n).

    Parameters
    ----------
    metric : Metric
        What to compute.
    predictions : Predictions
        Of n rows.
    weight : ndarray of float of shape (n,) or (b, n)
        How often each row counts.
    settings : mapping
        Specificity, threshold and levels of quantiles.
    against_rest : int or None, default=None
        The class to compute it of, against all others. None: of two classes that of the positive
        one, of more that of all.
    """
    keywords = {name: settings[name] for name in metric.settings}
    if against_rest is not None:
        return _of(metric, predictions.against_rest(against_rest), weight, keywords)
    if predictions.n_classes == 2 or not metric.macro:
        return _of(metric, predictions.whole(), weight, keywords)
    classes = range(predictions.n_classes)
    of_each = [_of(metric, predictions.against_rest(k), weight, keywords) for k in classes]
    # One rule for all metrics, so that it hangs on the rows alone, not on what is predicted.
    defined = every_class(*predictions.whole(), weight)
    return np.where(defined, np.mean(of_each, axis=0), np.nan)[()]


def _of(metric: Metric, arrays: Any, weight: Floats, keywords: Mapping[str, float]) -> Any:
    if weight.ndim == 1:
        defined = metric.defined(*arrays, weight)
        return float(metric.compute(*arrays, weight, **keywords)) if defined else np.nan
    if not metric.batched:
        return np.array([_of(metric, arrays, each, keywords) for each in weight])
    found = np.full(len(weight), np.nan)
    defined = np.asarray(metric.defined(*arrays, weight), dtype=bool)
    if defined.any():
        kept = weight if defined.all() else weight[defined]
        found[defined] = metric.compute(*arrays, kept, **keywords)
    return found
