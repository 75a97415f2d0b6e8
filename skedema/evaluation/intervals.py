"""Intervals of shares of patients and of AUCs: published ones, which know that few tell little.

A bootstrap of five patients who are all predicted right gives five who are all predicted right. So
a proportion has Wilson's interval and an AUC Newcombe's, whatever their value and however many
patients there are; and rows of one patient count for as many patients as they tell of.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm, t

from skedema.evaluation._labels import positives
from skedema.evaluation.statistics import delong_covariance

__all__ = ["auc_interval", "proportion_interval"]

Codes = NDArray[np.intp]


def proportion_interval(
    counted: Any, *, groups: Any = None, confidence: float = 0.95
) -> tuple[float, float]:
    """Give Wilson's interval of a proportion.

    Parameters
    ----------
    counted : array-like of bool of shape (n,)
        Which of the rows count: of a recall, the positive rows, and which of them are found.
    groups : array-like of shape (n,) or None, default=None
        The patient of each row; None: each row is another one.
    confidence : float, default=0.95
        Of the interval.

    Returns
    -------
    tuple of two floats
        Low and high; NaN where there is no row.

    Notes
    -----
    Of a proportion p of n independent rows it holds the proportions that a score test does not
    reject [1]_. It is never empty at 0 and 1, and of those that are as short as it the one to
    report [2]_. On average over proportions it covers what it says; of few rows and proportions
    near 0 or 1 it may cover less: 90 % at a proportion of 0.98 of five rows.

    Rows of one patient are alike. They enter as the number of independent rows that would tell as
    much [3]_: ``p (1 - p)`` by the variance of p between patients (of a ratio, their sums
    linearised), times ``(t(n - 1) / t(K - 1))**2`` for its being estimated from K patients [4]_. It
    is at most the number of rows, and at least the number of patients as if the rows of each said
    the same, ``(sum m)**2 / sum m**2`` for m rows each. This least number is taken at 0 and 1,
    where nothing differs between patients.

    References
    ----------
    .. [1] Wilson, E. B. (1927). Probable inference, the law of succession, and statistical
       inference. Journal of the American Statistical Association 22, 209-212.
    .. [2] Newcombe, R. G. (1998). Two-sided confidence intervals for the single proportion:
       comparison of seven methods. Statistics in Medicine 17, 857-872.
    .. [3] Rao, J. N. K., Scott, A. J. (1992). A simple method for the analysis of clustered binary
       data. Biometrics 48, 577-585.
    .. [4] Korn, E. L., Graubard, B. I. (1998). Confidence intervals for proportions with small
       expected number of positive counts estimated from survey data. Survey Methodology 24,
       193-201.

    Examples
    --------
    >>> from skedema.evaluation.intervals import proportion_interval
    >>> low, high = proportion_interval([False] * 5)  # none of five
    >>> low, round(high, 3)
    (0.0, 0.434)
    """
    rows = np.asarray(counted, dtype=bool)
    number = np.arange(len(rows))
    patient = number if groups is None else pd.factorize(np.asarray(groups))[0]
    value = float(rows.mean()) if len(rows) else np.nan
    return wilson(value, effective_number(rows, number, patient), confidence)


def auc_interval(
    label: Any,
    scores: Any,
    *,
    groups: Any = None,
    pos_label: Any = None,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Give Newcombe's interval of an area under the ROC curve.

    Parameters
    ----------
    label : array-like of shape (n,)
        1 or True for the positive class, or any labels of two classes with `pos_label`.
    scores : array-like of shape (n,) or (r, n)
        The greater the more likely positive. Of r repeats, the interval is that of the mean AUC.
    groups : array-like of shape (n,) or None, default=None
        The patient of each row; None: each row is another one.
    pos_label : object, default=None
        The label of the positive class. None: 1 or True.
    confidence : float, default=0.95
        Of the interval.

    Returns
    -------
    tuple of two floats
        Low and high; NaN where there is one class only.

    Notes
    -----
    Method 5 of [1]_: the AUCs A from which the one found is at most z standard errors away, with
    the variance of [2]_ at A, ``A (1 - A) (1 + N ((1 - A) / (2 - A) + A / (1 + A))) / (m n)``, and
    ``N = (m + n) / 2 - 1`` for m positives and n negatives. It is what Wilson's is to proportions:
    never empty at an AUC of 1, and never beyond it.

    Rows of one patient enter by a design effect as in `proportion_interval`: m and n are divided by
    the variance of DeLong's method with patients as clusters by that with rows (see
    `delong_covariance`). They are at most the numbers of rows, and at least the numbers of patients
    as if the rows of each said the same; these at an AUC of 0 or 1.

    References
    ----------
    .. [1] Newcombe, R. G. (2006). Confidence intervals for an effect size measure based on the
       Mann-Whitney statistic. Part 2: asymptotic methods and evaluation. Statistics in Medicine
       25, 559-573.
    .. [2] Hanley, J. A., McNeil, B. J. (1982). The meaning and use of the area under a receiver
       operating characteristic (ROC) curve. Radiology 143, 29-36.

    Examples
    --------
    >>> from skedema.evaluation.intervals import auc_interval
    >>> low, high = auc_interval([0] * 5 + [1] * 5, range(10))  # all pairs in order
    >>> round(low, 3), high
    (0.643, 1.0)
    """
    label = positives(label, pos_label)
    repeats = np.atleast_2d(np.asarray(scores, dtype=np.float64))
    number = np.arange(len(label))
    patient = number if groups is None else pd.factorize(np.asarray(groups))[0]
    if label.all() or not label.any():
        return np.nan, np.nan
    value = float(np.mean([_auc(label, each) for each in repeats]))
    m, n = effective_numbers(label, number, patient, value, repeats)
    return newcombe(value, m, n, confidence)


def wilson(value: float, n: float, confidence: float) -> tuple[float, float]:
    """Give Wilson's interval of a proportion of n independent rows; n need not be whole."""
    if not n > 0:
        return np.nan, np.nan
    z2 = norm.ppf((1 + confidence) / 2) ** 2
    middle = (value + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (value * (1 - value) / n + z2 / (4 * n**2))) / (1 + z2 / n)
    low = 0.0 if value == 0 else float(middle - half)
    return low, 1.0 if value == 1 else float(middle + half)


def newcombe(value: float, m: float, n: float, confidence: float) -> tuple[float, float]:
    """Give the interval of an AUC of m positives and n negatives, which need not be whole."""
    z2 = norm.ppf((1 + confidence) / 2) ** 2
    more = max((m + n) / 2 - 1, 0.0)

    def beyond(area: float) -> float:
        """Tell by how much an area is further away than z standard errors."""
        shape = 1 + more * ((1 - area) / (2 - area) + area / (1 + area))
        return float((value - area) ** 2 - z2 * area * (1 - area) * shape / (m * n))

    low = 0.0 if value == 0 else brentq(beyond, 0.0, value - _TINY * value)
    high = 1.0 if value == 1 else brentq(beyond, value + _TINY * (1 - value), 1.0)
    return float(low), float(high)


def effective_number(counted: NDArray[np.bool_], row: Codes, patient: Codes) -> float:
    """Give the number of independent rows that tell as much; a row may come once a repeat."""
    if not len(counted):
        return 0.0
    codes = np.unique(patient, return_inverse=True)[1]
    size = np.bincount(codes).astype(np.float64)
    least, most = _least(size), float(len(np.unique(row)))
    value = counted.mean()
    if value in (0, 1) or len(size) == 1:
        return least
    k = len(size)
    off = np.bincount(codes, counted) - value * size
    variance = k / (k - 1) * float((off**2).sum()) / size.sum() ** 2
    if variance <= 0:  # all patients alike, each half right
        return most
    few = (t.ppf(0.975, most - 1) / t.ppf(0.975, k - 1)) ** 2
    return float(np.clip(value * (1 - value) / variance * few, least, most))


def effective_numbers(
    label: NDArray[np.bool_], row: Codes, patient: Codes, value: float, scores: Any = None
) -> tuple[float, float]:
    """Give the same of the positives and the negatives of an AUC.

    With `scores` of shape (r, n) the rows are those of each of r repeats; without, all rows of all.
    """
    least = [_least(np.unique(patient[of], return_counts=True)[1]) for of in (label, ~label)]
    most = [float(len(np.unique(row[of]))) for of in (label, ~label)]
    if value in (0, 1) or least == most or scores is None:
        return least[0], least[1]
    try:
        by_patient = delong_covariance(label, scores[None], groups=patient)[1][0, 0]
        by_row = delong_covariance(label, scores[None], groups=row)[1][0, 0]
    except ValueError:  # one patient of a class
        return least[0], least[1]
    effect = by_patient / by_row if by_row > 0 else np.inf
    m, n = (float(np.clip(b / effect, a, b)) for a, b in zip(least, most, strict=True))
    return m, n


def _least(size: Any) -> float:
    """Count patients as if all rows of one said the same."""
    return float(np.sum(size) ** 2 / np.sum(np.square(size)))


def _auc(label: NDArray[np.bool_], scores: Any) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(label, scores))


_TINY = 1e-12
