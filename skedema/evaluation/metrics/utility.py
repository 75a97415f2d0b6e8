"""Figures at the threshold from which on one would act."""

from __future__ import annotations

from typing import Any

import numpy as np

from skedema.evaluation.metrics._arrays import of_two_classes
from skedema.evaluation.metrics._intervals import sure_of_positives
from skedema.evaluation.metrics._metric import Metric, always, every_class
from skedema.evaluation.metrics.ranking import by_probability

__all__ = ["net_benefit", "sensitivity_at_specificity"]

_ROUNDING = 1e-9  # 1 - 0.9 is a little less than 0.1


def sensitivity_at_specificity(
    label: Any,
    probability: Any,
    specificity: float = 0.9,
    *,
    sample_weight: Any = None,
    pos_label: Any = None,
) -> float:
    """Give the greatest sensitivity on the ROC curve at a specificity of at least this.

    Like the AUC it is a property of the ranking: the threshold that belongs to it is read off the
    same patients, so it is not what a threshold chosen beforehand would reach on them.

    Parameters
    ----------
    label : array-like of shape (n,)
        1 or True for the positive class, or any labels of two classes with `pos_label`.
    probability : array-like of shape (n,)
        Predicted probability of it.
    specificity : float, default=0.9
        Between 0 and 1. Nothing is interpolated: of few negatives, more is asked than said.
    sample_weight : array-like of shape (n,) or None, default=None
        How often each counts.
    pos_label : object, default=None
        The label of the positive class. None: 1 or True.

    Returns
    -------
    float
        NaN where there is one class only.

    Examples
    --------
    >>> from skedema.evaluation.metrics import sensitivity_at_specificity
    >>> sensitivity_at_specificity([0, 0, 1, 1], [0.1, 0.6, 0.4, 0.9], 0.9)
    0.5
    """
    return of_two_classes(
        _SENSITIVITY, label, probability, sample_weight, pos_label, specificity=specificity
    )


def net_benefit(
    label: Any,
    probability: Any,
    threshold: float,
    *,
    sample_weight: Any = None,
    pos_label: Any = None,
) -> float:
    r"""Give the net benefit of treating all above a threshold of probability.

    With t the threshold, ``TP / n - FP / n * t / (1 - t)`` [1]_: true positives a patient, less
    false positives at the exchange rate that the threshold stands for. Treating nobody has 0,
    treating all has ``prevalence - (1 - prevalence) * t / (1 - t)``.

    Parameters
    ----------
    label : array-like of shape (n,)
        1 or True for the positive class, or any labels of two classes with `pos_label`.
    probability : array-like of shape (n,)
        Predicted probability of it; those at the threshold are treated.
    threshold : float
        At least 0 and below 1.
    sample_weight : array-like of shape (n,) or None, default=None
        How often each counts.
    pos_label : object, default=None
        The label of the positive class. None: 1 or True.

    Returns
    -------
    float
        The net benefit.

    Raises
    ------
    ValueError
        When the threshold is not a probability below 1.

    References
    ----------
    .. [1] Vickers, A. J., Elkin, E. B. (2006). Decision curve analysis: a novel method for
       evaluating prediction models. Medical Decision Making 26, 565-574.

    Examples
    --------
    >>> from skedema.evaluation.metrics import net_benefit
    >>> net_benefit(["none", "edema"], [0.1, 0.9], 0.5, pos_label="edema")
    0.5
    """
    return of_two_classes(
        _NET_BENEFIT, label, probability, sample_weight, pos_label, threshold=threshold
    )


def _sensitivity(
    label: Any, probability: Any, predicted: Any, weight: Any, *, specificity: float
) -> Any:
    positive, negative = by_probability(label, probability, weight)
    tp, fp = positive.cumsum(axis=-1), negative.cumsum(axis=-1)
    within = fp <= (1 - specificity + _ROUNDING) * fp[..., -1:]
    return np.where(within, tp, 0).max(axis=-1) / tp[..., -1]


def _net_benefit(
    label: Any, probability: Any, predicted: Any, weight: Any, *, threshold: float
) -> Any:
    if not 0 <= threshold < 1:
        raise ValueError(f"threshold must be at least 0 and below 1, got {threshold}.")
    odds = threshold / (1 - threshold)
    gained = np.where(probability >= threshold, np.where(label, 1.0, -odds), 0.0)
    return weight @ gained / weight.sum(axis=-1)


_SENSITIVITY = Metric(
    "sensitivity_at_specificity",
    _sensitivity,
    every_class,
    batched=True,
    settings=("specificity",),
    interval=sure_of_positives,
)
_NET_BENEFIT = Metric("net_benefit", _net_benefit, always, batched=True, settings=("threshold",))
METRICS = (_SENSITIVITY, _NET_BENEFIT)
