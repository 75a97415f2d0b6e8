"""Logistic recalibration: whether probabilities are too extreme, or too low on the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from skedema.evaluation.metrics._arrays import of_two_classes
from skedema.evaluation.metrics._metric import Floats, Metric, every_class

__all__ = ["calibration_intercept", "calibration_slope"]

Bools = NDArray[np.bool_]

# Of a network's float32. A probability of exactly 0 or 1 has no logit; trees give such.
_LEAST = float(np.finfo(np.float32).eps)
_STEPS = 100
_HALVINGS = 50
_CONVERGED = 1e-9


def calibration_slope(
    label: Any, probability: Any, *, sample_weight: Any = None, pos_label: Any = None
) -> float:
    """Give the slope of logistic recalibration.

    The b of the logistic regression ``logit P(label) = a + b logit(probability)``: 1 is ideal;
    below 1, probabilities are too extreme, as of a model that is overfitted [1]_.

    Parameters
    ----------
    label : array-like of shape (n,)
        1 or True for the positive class, or any labels of two classes with `pos_label`.
    probability : array-like of shape (n,)
        Predicted probability of it. Those nearer to 0 or 1 than 1.2e-7 count as if they were that
        far away, since 0 and 1 have no logit.
    sample_weight : array-like of shape (n,) or None, default=None
        How often each counts.
    pos_label : object, default=None
        The label of the positive class. None: 1 or True.

    Returns
    -------
    float
        Fitted by maximum likelihood. NaN where that has no finite maximum: one class only, all
        probabilities equal, or classes that the probabilities separate.

    References
    ----------
    .. [1] Cox, D. R. (1958). Two further applications of a model for binary regression.
       Biometrika 45, 562-565. Van Calster, B. et al. (2016). A calibration hierarchy for risk
       models was defined. Journal of Clinical Epidemiology 74, 167-176.

    Examples
    --------
    >>> from skedema.evaluation.metrics import calibration_slope
    >>> calibration_slope([0, 0, 0, 1, 0, 1, 1, 1], [0.2] * 4 + [0.8] * 4)
    0.792...
    """
    return of_two_classes(_SLOPE, label, probability, sample_weight, pos_label)


def calibration_intercept(
    label: Any, probability: Any, *, sample_weight: Any = None, pos_label: Any = None
) -> float:
    """Give the intercept of logistic recalibration with the slope held at 1.

    This is calibration in the large: the a of ``logit P(label) = a + logit(probability)``, where
    the logit is an offset. 0 is ideal; above 0, risks are underestimated on the whole. It is not
    the a that belongs to `calibration_slope`, which changes with the slope and is not comparable
    between models. For the sources see there.

    Parameters
    ----------
    label : array-like of shape (n,)
        As in `calibration_slope`.
    probability : array-like of shape (n,)
        As in `calibration_slope`.
    sample_weight : array-like of shape (n,) or None, default=None
        How often each counts.
    pos_label : object, default=None
        The label of the positive class. None: 1 or True.

    Returns
    -------
    float
        Fitted by maximum likelihood; NaN where there is one class only.

    Examples
    --------
    >>> from skedema.evaluation.metrics import calibration_intercept
    >>> calibration_intercept([0, 0, 0, 1], [0.5, 0.5, 0.5, 0.5])
    -1.098...
    """
    return of_two_classes(_INTERCEPT, label, probability, sample_weight, pos_label)


def logits(probability: Floats) -> Floats:
    """Give log-odds; probabilities are kept within 1.2e-7 of 0 and 1."""
    kept = np.clip(probability, _LEAST, 1 - _LEAST)
    logit: Floats = np.log(kept / (1 - kept))
    return logit


def _overlap(label: Any, probability: Any, predicted: Any, weight: Any) -> Any:
    """Tell whether probabilities do not separate the classes.

    Then, and only then, the likelihood has its maximum at finite values (Albert & Anderson 1984).
    """
    logit = logits(probability)
    low, high = _range(logit, weight * label)
    least, most = _range(logit, weight * ~label)
    return (low < most) & (least < high)


def _range(values: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Give the least and the greatest value of those with a weight."""
    low = np.where(weight > 0, values, np.inf).min(axis=-1)
    return low, np.where(weight > 0, values, -np.inf).max(axis=-1)


def _slope(label: Any, probability: Any, predicted: Any, weight: Any) -> Any:
    found = _recalibration(label, logits(probability), np.atleast_2d(weight))[:, 1]
    return found.reshape(weight.shape[:-1])


def _intercept(label: Any, probability: Any, predicted: Any, weight: Any) -> Any:
    logit = logits(probability)
    positive, negative = weight @ label, weight @ ~label
    # The derivative of the likelihood falls from one end to the other. Newton's method finds where
    # it is 0; where its step leads out of what is known to hold that, half of it is as good.
    log_odds = np.log(positive / negative)
    low, high = log_odds - logit.max(), log_odds - logit.min()
    at, step = (low + high) / 2, np.inf
    for _ in range(_STEPS):
        if np.all(np.abs(step) <= _CONVERGED):
            break
        mean = expit(at[..., None] + logit)
        derivative = positive - (weight * mean).sum(axis=-1)
        low, high = np.where(derivative > 0, at, low), np.where(derivative > 0, high, at)
        moved = at + derivative / (weight * mean * (1 - mean)).sum(axis=-1)
        moved = np.where((moved > low) & (moved < high), moved, (low + high) / 2)
        step, at = moved - at, moved
    return at


def _recalibration(label: Bools, logit: Floats, weight: Floats) -> Floats:
    """Fit logistic regressions by Newton's method, steps halved until the likelihood grows.

    Gives intercepts and slopes, of shape (b, 2); NaN without convergence.
    """
    design = np.stack([np.ones_like(logit), logit])
    products = (design[:, None] * design).reshape(4, -1).T
    coefficients = np.zeros((len(weight), 2))
    likelihood = _likelihood(coefficients, label, design, weight)
    done = np.zeros(len(weight), dtype=bool)
    for _ in range(_STEPS):
        if done.all():
            break
        open_ = ~done
        w = weight[open_]
        mean = expit(coefficients[open_] @ design)
        gradient = (w * (label - mean)) @ design.T
        hessian = ((w * mean * (1 - mean)) @ products).reshape(-1, 2, 2)
        # Too little to move where the gradient is 0, enough for what cannot be inverted.
        hessian += (1e-12 * np.trace(hessian, axis1=1, axis2=2))[:, None, None] * np.eye(2)
        step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        before, moved = likelihood[open_], coefficients[open_] + step
        after = _likelihood(moved, label, design, w)
        for _ in range(_HALVINGS):
            worse = ~(after >= before - 1e-12 * np.abs(before))
            if not worse.any():
                break
            step[worse] /= 2
            moved[worse] = coefficients[open_][worse] + step[worse]
            after[worse] = _likelihood(moved[worse], label, design, w[worse])
        coefficients[open_], likelihood[open_] = moved, after
        done[open_] = (np.abs(step) <= _CONVERGED * (1 + np.abs(moved))).all(axis=1)
    coefficients[~done] = np.nan
    return coefficients


def _likelihood(coefficients: Floats, label: Bools, design: Floats, weight: Floats) -> Floats:
    eta = coefficients @ design
    total: Floats = (weight * (label * eta - np.logaddexp(0, eta))).sum(axis=1)
    return total


_SLOPE = Metric("calibration_slope", _slope, _overlap, greater_is_better=None, batched=True)
_INTERCEPT = Metric(
    "calibration_intercept", _intercept, every_class, greater_is_better=None, batched=True
)
METRICS = (_SLOPE, _INTERCEPT)
