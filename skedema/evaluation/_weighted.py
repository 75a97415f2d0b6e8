"""Figures for many weightings of the same patients at once, as a bootstrap needs them.

A resample with replacement is a weighting: each patient counts as often as drawn. For one weighting
the figures are those of scikit-learn with ``sample_weight``; a thousand of them are a few products
of matrices here, and minutes there.

Everywhere `label` and `predicted` are arrays of bool of shape (n,), `probability` is that of the
positive class, of shape (n,), and `weight` of shape (b, n). A figure has shape (b,), and is NaN
where it is not defined.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# Of a network's float32. A probability of exactly 0 or 1 has no logit; trees give such.
_LEAST = float(np.finfo(np.float32).eps)
_ROUNDING = 1e-9  # 1 - 0.9 is a little less than 0.1
_STEPS = 100
_HALVINGS = 50
_CONVERGED = 1e-9


def figure(
    name: str,
    label: Bools,
    probability: Floats,
    predicted: Bools,
    weight: Floats,
    *,
    specificity: float = 0.9,
    threshold: float = 0.5,
) -> Floats:
    """Give the figure of a name; see `skedema.evaluation.metrics.figures`."""
    if name in ("roc_auc", "average_precision", "sensitivity_at_specificity"):
        return _ranked(name, label, probability, weight, specificity)
    if name == "calibration_slope":
        return calibration_slope(label, probability, weight)
    if name == "calibration_intercept":
        return calibration_intercept(label, probability, weight)
    if name == "net_benefit":
        return net_benefit(label, probability, weight, threshold)
    if name == "brier":
        return _ratio(weight @ (probability - label) ** 2, weight.sum(axis=1))
    if name == "log_loss":
        eps = np.finfo(np.float64).eps
        kept = np.clip(np.where(label, probability, 1 - probability), eps, 1 - eps)
        return _ratio(-(weight @ np.log(kept)), weight.sum(axis=1))
    return _counted(name, label, predicted, weight)


def net_benefit(label: Bools, probability: Floats, weight: Floats, threshold: float) -> Floats:
    """Give the net benefit at a threshold; see `skedema.evaluation.metrics.net_benefit`."""
    treated = probability >= threshold
    odds = threshold / (1 - threshold)
    gained = np.where(treated, np.where(label, 1.0, -odds), 0.0)
    return _ratio(weight @ gained, weight.sum(axis=1))


def calibration_slope(label: Bools, probability: Floats, weight: Floats) -> Floats:
    """Give slopes of logistic recalibration; NaN without overlap of the classes."""
    logit = logits(probability)
    found = np.full(len(weight), np.nan)
    low, high = _range(logit, weight * label)
    least, most = _range(logit, weight * ~label)
    # Then, and only then, the likelihood has its maximum at finite values (Albert & Anderson 1984).
    overlap = (low < most) & (least < high)
    found[overlap] = _recalibration(label, logit, weight[overlap])[:, 1]
    return found


def calibration_intercept(label: Bools, probability: Floats, weight: Floats) -> Floats:
    """Give intercepts of logistic recalibration with the slope held at 1."""
    logit = logits(probability)
    found = np.full(len(weight), np.nan)
    positive, negative = weight @ label, weight @ ~label
    both = (positive > 0) & (negative > 0)
    # The derivative of the likelihood falls from one end to the other. Newton's method finds where
    # it is 0; where its step leads out of what is known to hold that, half of it is as good.
    log_odds = np.log(positive[both] / negative[both])
    low, high = log_odds - logit.max(), log_odds - logit.min()
    weight, positive = weight[both], positive[both]
    at, step = (low + high) / 2, np.inf
    for _ in range(_STEPS):
        if np.all(np.abs(step) <= _CONVERGED):
            break
        mean = expit(at[:, None] + logit)
        derivative = positive - (weight * mean).sum(axis=1)
        low, high = np.where(derivative > 0, at, low), np.where(derivative > 0, high, at)
        moved = at + derivative / (weight * mean * (1 - mean)).sum(axis=1)
        moved = np.where((moved > low) & (moved < high), moved, (low + high) / 2)
        step, at = moved - at, moved
    found[both] = at
    return found


def logits(probability: Floats) -> Floats:
    """Give log-odds; probabilities are kept within 1.2e-7 of 0 and 1."""
    kept = np.clip(probability, _LEAST, 1 - _LEAST)
    logit: Floats = np.log(kept / (1 - kept))
    return logit


def _counted(name: str, label: Bools, predicted: Bools, weight: Floats) -> Floats:
    tp, fn = weight @ (label & predicted), weight @ (label & ~predicted)
    fp, tn = weight @ (~label & predicted), weight @ (~label & ~predicted)
    if name == "accuracy":
        return _ratio(tp + tn, tp + tn + fp + fn)
    if name == "balanced_accuracy":
        return (_ratio(tp, tp + fn) + _ratio(tn, tn + fp)) / 2
    if name == "precision":
        return _ratio(tp, tp + fp)
    if name == "recall":
        return _ratio(tp, tp + fn)
    if name == "specificity":
        return _ratio(tn, tn + fp)
    if name == "f1":
        return _ratio(2 * tp, 2 * tp + fp + fn)
    raise ValueError(f"There is no metric {name!r}.")


def _ranked(
    name: str, label: Bools, probability: Floats, weight: Floats, specificity: float
) -> Floats:
    order = np.argsort(-probability, kind="stable")
    ordered = probability[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])  # of equal probabilities
    weight, label = weight[:, order], label[order]
    positive = np.add.reduceat(weight * label, starts, axis=1)
    negative = np.add.reduceat(weight * ~label, starts, axis=1)
    tp, fp = positive.cumsum(axis=1), negative.cumsum(axis=1)
    n_positive, n_negative = tp[:, -1], fp[:, -1]
    if name == "roc_auc":
        below = n_negative[:, None] - fp + negative / 2
        return _ratio((positive * below).sum(axis=1), n_positive * n_negative)
    if name == "average_precision":
        precision = np.divide(tp, tp + fp, out=np.zeros_like(tp), where=tp + fp > 0)
        return _ratio((positive * precision).sum(axis=1), n_positive)
    within = fp <= (1 - specificity + _ROUNDING) * n_negative[:, None]
    most = np.where(within, tp, 0).max(axis=1)
    found: Floats = np.where(n_negative > 0, _ratio(most, n_positive), np.nan)
    return found


def _ratio(above: Floats, below: Floats) -> Floats:
    ratio: Floats = np.divide(above, below, out=np.full(len(below), np.nan), where=below > 0)
    return ratio


def _range(values: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Give the least and the greatest value of those with a weight."""
    low = np.where(weight > 0, values, np.inf).min(axis=1)
    return low, np.where(weight > 0, values, -np.inf).max(axis=1)


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
