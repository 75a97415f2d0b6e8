"""How far a probability can be trusted: what became of patients who got about the same one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit
from scipy.stats import t
from sklearn.isotonic import IsotonicRegression

#: Fewer patients with a class, or without it, say nothing about its probability.
_ENOUGH = 10
#: A probability of 0 or 1, as forests give, would decide the regression by itself.
_EDGE = 1e-3


@dataclass(frozen=True)
class Calibration:
    """Patients whom a classifier has not learned from, with its probabilities and their labels.

    Parameters
    ----------
    proba : ndarray of shape (n, n_classes)
        Probabilities.
    codes : ndarray of int of shape (n,)
        Positions of their labels among the classes.
    weight : ndarray of shape (n,)
        Weights of the patients.
    """

    proba: NDArray[np.float64]
    codes: NDArray[np.intp]
    weight: NDArray[np.float64]

    def too_few(self, k: int) -> bool:
        """Whether hardly anyone has class `k`, or hardly anyone has another."""
        n = int((self.codes == k).sum())
        return min(n, len(self.codes) - n) < _ENOUGH


def venn_abers(score: float, scores: Any, has_it: Any, weight: Any = None) -> tuple[float, float]:
    """Give the two probabilities of the inductive Venn-Abers predictor.

    Isotonic regression of the label on the score, once with the patient among the others as one who
    does not have it, once as one who does: the patient's own values are p0 and p1. One of the two
    is calibrated, whatever the scores are, if patients are exchangeable (Vovk and Petej,
    "Venn-Abers predictors", UAI 2014, section 4; as applied to held-out scores: Vovk, Petej and
    Fedorova, "Large-scale probabilistic predictors with and without guarantees of validity", NIPS
    2015).

    Parameters
    ----------
    score : float
        Of the patient.
    scores, has_it : array-like of shape (n,)
        Of patients who were not learned from, and whether they have it.
    weight : array-like of shape (n,), default=None
        Their weights.

    Returns
    -------
    p0, p1 : float
        p0 <= p1.
    """
    x = np.append(np.asarray(scores, dtype=np.float64), score)
    w = np.append(np.ones(len(x) - 1) if weight is None else np.asarray(weight), 1.0)
    low, high = (
        IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
        .fit(x, np.append(np.asarray(has_it, dtype=np.float64), itself), sample_weight=w)
        .predict([score])[0]
        for itself in (0.0, 1.0)
    )
    return float(low), float(high)


def recalibrated(
    score: float, scores: Any, has_it: Any, weight: Any = None, of_members: Any = ()
) -> tuple[float, float]:
    """Give a 95 % interval of how many of the patients with this score have it.

    A logistic regression of the label on the log-odds of the score, with Platt's targets, so that
    it exists also where all labels are told apart (Platt, "Probabilistic outputs for support vector
    machines", 1999, section 2.2). Its variance at the patient by the delta method, and the variance
    between networks that learned from other patients, are added up on the scale of log-odds; the
    quantile is that of Student's t with the degrees of freedom of Welch and Satterthwaite
    (Satterthwaite, Biometrics Bulletin 2, 1946, 110-114).

    Parameters
    ----------
    score, scores, has_it, weight
        As in `venn_abers`.
    of_members : array-like of shape (n_members,), default=()
        The patient's score by each member. Fewer than two have no variance.

    Returns
    -------
    low, high : float
        The interval.
    """
    x = np.column_stack([np.ones(len(scores)), _bounded_logit(scores)])
    w = np.ones(len(x)) if weight is None else np.asarray(weight, dtype=np.float64)
    has = np.asarray(has_it, dtype=bool)
    n_with, n_without = w[has].sum(), w[~has].sum()
    goal = np.where(has, (n_with + 1) / (n_with + 2), 1 / (n_without + 2))
    found = minimize(
        lambda b: float(w @ (np.logaddexp(0, x @ b) - goal * (x @ b))),
        np.array([0.0, 1.0]),
        jac=lambda b: x.T @ (w * (expit(x @ b) - goal)),
    )
    p = expit(x @ found.x)
    covariance = np.linalg.pinv((x * (w * p * (1 - p))[:, None]).T @ x)
    at = np.array([1.0, float(_bounded_logit(score))])
    middle = float(at @ found.x)
    known = float(at @ covariance @ at)
    apart = _bounded_logit(of_members)
    guessed = found.x[1] ** 2 * float(apart.var(ddof=1)) if len(apart) > 1 else 0.0
    # Of few members the variance is a guess: Welch and Satterthwaite's degrees of freedom.
    freedom = (len(apart) - 1) * (1 + known / guessed) ** 2 if guessed else np.inf
    reach = t.ppf(0.975, freedom) * np.sqrt(known + guessed)
    return float(expit(middle - reach)), float(expit(middle + reach))


def interval_table(
    of_members: NDArray[np.float64],
    proba: NDArray[np.float64],
    classes: NDArray[Any],
    calibration: Calibration,
) -> pd.DataFrame | None:
    """Give the interval, p0 and p1 of each class against all others; None where nobody tells.

    `of_members` are the patient's probabilities by each member, of shape (n_members, n_classes).
    """
    rows = []
    given = calibration.weight
    weight = given * given.sum() / (given @ given)  # as many patients as they count for (Kish 1965)
    for k in range(len(classes)):
        if calibration.too_few(k):
            rows.append([np.nan] * 4)
            continue
        others = calibration.proba[:, k], calibration.codes == k, weight
        bounds = recalibrated(proba[k], *others, of_members[:, k])
        rows.append([*bounds, *venn_abers(proba[k], *others)])
    index = pd.Index(classes, name="class")
    table = pd.DataFrame(rows, index=index, columns=["low", "high", "p0", "p1"])
    return None if table["low"].isna().all() else table


def _bounded_logit(probability: Any) -> NDArray[np.float64]:
    inside = np.clip(np.asarray(probability, dtype=np.float64), _EDGE, 1 - _EDGE)
    return np.asarray(logit(inside))
