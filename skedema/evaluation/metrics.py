"""Figures of predictions for two classes: scikit-learn's, and some that it does not have."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk
from sklearn.exceptions import UndefinedMetricWarning

from skedema._registry import nearest_name
from skedema.evaluation import _weighted

__all__ = [
    "LOWER_IS_BETTER",
    "METRICS",
    "calibration_intercept",
    "calibration_slope",
    "figures",
    "net_benefit",
    "sensitivity_at_specificity",
]

METRICS = (
    "roc_auc",
    "average_precision",
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "specificity",
    "f1",
    "brier",
    "log_loss",
    "calibration_slope",
    "calibration_intercept",
    "sensitivity_at_specificity",
    "net_benefit",
)
LOWER_IS_BETTER = frozenset({"brier", "log_loss"})
_NEED_BOTH_CLASSES = {"roc_auc", "balanced_accuracy"}
_NEED_POSITIVES = {"average_precision"}


def figures(
    label: Any,
    probability: Any,
    predicted: Any = None,
    *,
    names: Iterable[str] = METRICS,
    specificity: float = 0.9,
    threshold: float = 0.5,
) -> dict[str, float]:
    """Compute figures of predictions.

    Parameters
    ----------
    label : array-like of shape (n,)
        1 or True for the positive class, 0 or False for the other.
    probability : array-like of shape (n,)
        Predicted probability of the positive class.
    predicted : array-like of shape (n,) or None, default=None
        1 or True where the positive class is predicted. None is a probability of at least 0.5.
        Accuracy, balanced accuracy, precision, recall, specificity and F1 count these.
    names : iterable of str, default=METRICS
        Which; see `METRICS`.
    specificity : float, default=0.9
        For `sensitivity_at_specificity`.
    threshold : float, default=0.5
        For `net_benefit`.

    Returns
    -------
    dict of str to float
        The figures. One that is not defined, such as an AUC where there is one class only, or the
        precision where nothing is predicted positive, is NaN.

    Raises
    ------
    ValueError
        When a name is not known or the arrays do not fit together.

    Examples
    --------
    >>> from skedema.evaluation.metrics import figures
    >>> figures([0, 1, 0, 1], [0.1, 0.4, 0.6, 0.9], names=["roc_auc", "recall"])
    {'roc_auc': 0.75, 'recall': 0.5}
    """
    label, probability, weight = _checked(label, probability, None)
    if predicted is None:
        predicted = probability >= 0.5
    predicted = _binary(predicted, "predicted")
    if predicted.shape != label.shape:
        raise ValueError(f"There are {len(label)} labels, but {len(predicted)} in predicted.")
    found: dict[str, float] = {}
    both = bool(label.any() and not label.all())
    for name in check_names(names):
        if (name in _NEED_BOTH_CLASSES and not both) or (
            name in _NEED_POSITIVES and not label.any()
        ):
            found[name] = np.nan
        elif name in _SCIKIT_LEARN:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UndefinedMetricWarning)
                found[name] = float(_SCIKIT_LEARN[name](label, probability, predicted))
        else:
            (value,) = _weighted.figure(
                name,
                label,
                probability,
                predicted,
                weight,
                specificity=specificity,
                threshold=threshold,
            )
            found[name] = float(value)
    return found


def calibration_slope(label: Any, probability: Any, *, sample_weight: Any = None) -> float:
    """Give the slope of logistic recalibration.

    The b of the logistic regression ``logit P(label) = a + b logit(probability)``: 1 is ideal;
    below 1, probabilities are too extreme, as of a model that is overfitted [1]_.

    Parameters
    ----------
    label : array-like of shape (n,)
        1 or True for the positive class.
    probability : array-like of shape (n,)
        Predicted probability of it. Those nearer to 0 or 1 than 1.2e-7 count as if they were that
        far away, since 0 and 1 have no logit.
    sample_weight : array-like of shape (n,) or None, default=None
        How often each counts.

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
    """
    return float(_weighted.calibration_slope(*_checked(label, probability, sample_weight))[0])


def calibration_intercept(label: Any, probability: Any, *, sample_weight: Any = None) -> float:
    """Give the intercept of logistic recalibration with the slope held at 1.

    This is calibration in the large: the a of ``logit P(label) = a + logit(probability)``, where
    the logit is an offset. 0 is ideal; above 0, risks are underestimated on the whole. It is not
    the a that belongs to `calibration_slope`, which changes with the slope and is not comparable
    between models. For the sources see there.

    Parameters
    ----------
    label : array-like of shape (n,)
        1 or True for the positive class.
    probability : array-like of shape (n,)
        Predicted probability of it, as in `calibration_slope`.
    sample_weight : array-like of shape (n,) or None, default=None
        How often each counts.

    Returns
    -------
    float
        Fitted by maximum likelihood; NaN where there is one class only.
    """
    return float(_weighted.calibration_intercept(*_checked(label, probability, sample_weight))[0])


def sensitivity_at_specificity(
    label: Any, probability: Any, specificity: float = 0.9, *, sample_weight: Any = None
) -> float:
    """Give the greatest sensitivity on the ROC curve at a specificity of at least this.

    Like the AUC it is a property of the ranking: the threshold that belongs to it is read off the
    same patients, so it is not what a threshold chosen beforehand would reach on them.

    Parameters
    ----------
    label : array-like of shape (n,)
        1 or True for the positive class.
    probability : array-like of shape (n,)
        Predicted probability of it.
    specificity : float, default=0.9
        Between 0 and 1. Nothing is interpolated: of few negatives, more is asked than said.
    sample_weight : array-like of shape (n,) or None, default=None
        How often each counts.

    Returns
    -------
    float
        NaN where there is one class only.
    """
    label, probability, weight = _checked(label, probability, sample_weight)
    found = _weighted.figure(
        "sensitivity_at_specificity", label, probability, label, weight, specificity=specificity
    )
    return float(found[0])


def net_benefit(
    label: Any, probability: Any, threshold: float, *, sample_weight: Any = None
) -> float:
    r"""Give the net benefit of treating all above a threshold of probability.

    With t the threshold, ``TP / n - FP / n * t / (1 - t)`` [1]_: true positives a patient, less
    false positives at the exchange rate that the threshold stands for. Treating nobody has 0,
    treating all has ``prevalence - (1 - prevalence) * t / (1 - t)``.

    Parameters
    ----------
    label : array-like of shape (n,)
        1 or True for the positive class.
    probability : array-like of shape (n,)
        Predicted probability of it; those at the threshold are treated.
    threshold : float
        At least 0 and below 1.
    sample_weight : array-like of shape (n,) or None, default=None
        How often each counts.

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
    """
    if not 0 <= threshold < 1:
        raise ValueError(f"threshold must be at least 0 and below 1, got {threshold}.")
    return float(_weighted.net_benefit(*_checked(label, probability, sample_weight), threshold)[0])


def check_names(names: Iterable[str]) -> tuple[str, ...]:
    """Refuse names of metrics that are not known.

    Parameters
    ----------
    names : iterable of str
        A single text is an iterable of its letters, and is taken as one name.

    Returns
    -------
    tuple of str
        The names.

    Raises
    ------
    ValueError
        When one is not known; the message names the nearest.
    """
    kept = (names,) if isinstance(names, str) else tuple(names)
    for name in kept:
        if name not in METRICS:
            raise ValueError(f"There is no metric {name!r}. {nearest_name(name, METRICS)}")
    return kept


_SCIKIT_LEARN: dict[str, Any] = {
    "roc_auc": lambda y, p, c: sk.roc_auc_score(y, p),
    "average_precision": lambda y, p, c: sk.average_precision_score(y, p),
    "accuracy": lambda y, p, c: sk.accuracy_score(y, c),
    "balanced_accuracy": lambda y, p, c: sk.balanced_accuracy_score(y, c),
    "precision": lambda y, p, c: sk.precision_score(y, c, zero_division=np.nan),
    "recall": lambda y, p, c: sk.recall_score(y, c, zero_division=np.nan),
    "specificity": lambda y, p, c: sk.recall_score(y, c, pos_label=False, zero_division=np.nan),
    "f1": lambda y, p, c: sk.f1_score(y, c, zero_division=np.nan),
    "brier": lambda y, p, c: sk.brier_score_loss(y, p),
    "log_loss": lambda y, p, c: sk.log_loss(y, p, labels=[False, True]),
}


def _checked(
    label: Any, probability: Any, sample_weight: Any
) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]:
    label = _binary(label, "label")
    probability = np.asarray(probability, dtype=np.float64)
    if probability.shape != label.shape:
        raise ValueError(
            f"There are {len(label)} labels, but probabilities of shape {probability.shape}. Give "
            "the probability of the positive class, predict_proba(X)[:, 1]."
        )
    if not ((probability >= 0) & (probability <= 1)).all():
        raise ValueError("Probabilities must be between 0 and 1, and none may be NaN.")
    weight = np.ones(len(label)) if sample_weight is None else np.asarray(sample_weight, float)
    return label, probability, weight[None]


def _binary(values: Any, name: str) -> NDArray[np.bool_]:
    values = np.asarray(values)
    if values.ndim != 1 or values.size == 0 or not np.isin(values, (0, 1)).all():
        raise ValueError(
            f"{name} must be one-dimensional and hold 1 (or True) for the positive class and 0 (or "
            "False) for the other, in at least one row."
        )
    found: NDArray[np.bool_] = values.astype(bool)
    return found
