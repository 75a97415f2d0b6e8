"""Intervals and tests that respect patients and folds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata, t

from skedema.evaluation._labels import positives

__all__ = [
    "PairedTest",
    "corrected_resampled_t",
    "delong_covariance",
    "delong_test",
    "holm",
    "patient_weights",
    "percentile_interval",
]

Floats = NDArray[np.float64]

_CHUNK = 2_000_000  # numbers of a matrix of weights: 16 MB
_LEAST_DEFINED = 0.95
_STREAM = 20_030_917


@dataclass(frozen=True)
class PairedTest:
    """What a paired test came to.

    Parameters
    ----------
    difference : float
        First less second.
    standard_error : float
        Of the difference.
    statistic : float
        Difference by standard error: a z or a t.
    p_value : float
        Two-sided.

    Examples
    --------
    >>> from skedema.evaluation.statistics import corrected_resampled_t
    >>> test = corrected_resampled_t([0.04, 0.01, 0.03, 0.02, 0.05], test_to_train=1 / 4)
    >>> round(test.difference, 3), round(test.p_value, 3)
    (0.03, 0.047)
    """

    difference: float
    standard_error: float
    statistic: float
    p_value: float


def delong_covariance(
    label: Any, scores: Any, *, groups: Any = None, pos_label: Any = None
) -> tuple[Floats, Floats]:
    """Give AUCs and their covariance by DeLong's method, in the time of sorting.

    Parameters
    ----------
    label : array-like of shape (n,)
        1 or True for the positive class, or any labels of two classes with `pos_label`; both occur.
    scores : array-like of shape (k, n) or (k, r, n)
        Scores of k models, the greater the more likely positive. With r repeats, such as those of
        a repeated cross-validation, each model's AUC is the mean over its repeats, and so are
        the components of a patient: repeats are not taken for further patients.
    groups : array-like of shape (n,) or None, default=None
        The patient of each row; None: each row is another one.
    pos_label : object, default=None
        The label of the positive class. None: 1 or True.

    Returns
    -------
    auc : ndarray of shape (k,)
        Areas under the ROC curve.
    covariance : ndarray of shape (k, k)
        Their covariance.

    Raises
    ------
    ValueError
        When a class has fewer than two patients.

    Notes
    -----
    A pair of a positive and a negative counts 1 where the positive has the greater score and 1/2
    for a tie; the AUC is the mean over pairs. The component of a row is the mean of its pairs, and
    the covariance is that of components [1]_, which ranks give without any pair being formed
    [2]_. Rows of one patient are not independent: their components are added up first [3]_. Where
    each patient is a single row that is DeLong's formula.

    Of out-of-fold scores it takes the models for given: how they would vary with other training
    samples is not in it.

    References
    ----------
    .. [1] DeLong, E. R., DeLong, D. M., Clarke-Pearson, D. L. (1988). Comparing the areas under
       two or more correlated receiver operating characteristic curves. Biometrics 44, 837-845.
    .. [2] Sun, X., Xu, W. (2014). Fast implementation of DeLong's algorithm. IEEE Signal
       Processing Letters 21, 1389-1393.
    .. [3] Obuchowski, N. A. (1997). Nonparametric analysis of clustered ROC curve data.
       Biometrics 53, 567-578.

    Examples
    --------
    >>> from skedema.evaluation.statistics import delong_covariance
    >>> auc, covariance = delong_covariance([1, 1, 0, 0], [[3, 1, 2, 0]])
    >>> float(auc[0]), float(covariance[0, 0])
    (0.75, 0.125)
    """
    label = positives(label, pos_label)
    scores = np.asarray(scores, dtype=np.float64)
    scores = scores[:, None, :] if scores.ndim == 2 else scores
    n_rows = len(label)
    codes = np.arange(n_rows) if groups is None else np.unique(groups, return_inverse=True)[1]
    positive = rankdata(scores[..., label], axis=-1)
    negative = rankdata(scores[..., ~label], axis=-1)
    m, n = int(label.sum()), int((~label).sum())
    n_positive, n_negative = len(np.unique(codes[label])), len(np.unique(codes[~label]))
    if min(n_positive, n_negative) < 2:
        raise ValueError(
            f"DeLong's variance needs two patients of each class, got {n_positive} with a positive "
            f"and {n_negative} with a negative row."
        )
    ranks = rankdata(scores, axis=-1)
    component = np.empty_like(scores)
    component[..., label] = (ranks[..., label] - positive) / n
    component[..., ~label] = 1 - (ranks[..., ~label] - negative) / m
    component = component.mean(axis=1)
    auc = component[:, label].mean(axis=1)
    centred = component - auc[:, None]
    size = int(codes.max()) + 1
    of_positives = _added(centred * label, codes, size)
    of_negatives = _added(centred * ~label, codes, size)
    covariance = n_positive / (n_positive - 1) / m**2 * of_positives @ of_positives.T
    covariance += n_negative / (n_negative - 1) / n**2 * of_negatives @ of_negatives.T
    n_groups = len(np.unique(codes))
    crossed = n_groups / (n_groups - 1) / (m * n) * of_positives @ of_negatives.T
    return auc, covariance + crossed + crossed.T


def delong_test(
    label: Any, first: Any, second: Any, *, groups: Any = None, pos_label: Any = None
) -> PairedTest:
    """Test whether two AUCs on the same patients are equal.

    Parameters
    ----------
    label : array-like of shape (n,)
        1 or True for the positive class, or any labels of two classes with `pos_label`.
    first, second : array-like of shape (n,) or (r, n)
        Scores of the two models; with repeats as in `delong_covariance`.
    groups : array-like of shape (n,) or None, default=None
        The patient of each row.
    pos_label : object, default=None
        The label of the positive class. None: 1 or True.

    Returns
    -------
    PairedTest
        The statistic is standard normal under equality. Scores that rank all pairs alike have a p
        value of 1.

    See Also
    --------
    delong_covariance : The method and its sources.

    Examples
    --------
    >>> from skedema.evaluation.statistics import delong_test
    >>> label = [0, 0, 0, 1, 1, 1]
    >>> good, poor = [0.1, 0.2, 0.6, 0.4, 0.8, 0.9], [0.3, 0.7, 0.4, 0.2, 0.6, 0.5]
    >>> test = delong_test(label, good, poor)
    >>> round(test.difference, 3), round(test.p_value, 3)
    (0.444, 0.157)
    """
    scores = np.stack([first, second])
    auc, covariance = delong_covariance(label, scores, groups=groups, pos_label=pos_label)
    contrast = np.array([1.0, -1.0])
    variance = float(contrast @ covariance @ contrast)
    return _two_sided(float(auc[0] - auc[1]), np.sqrt(max(variance, 0.0)), norm)


def corrected_resampled_t(differences: Any, test_to_train: float) -> PairedTest:
    """Test whether a mean difference over the folds of a (repeated) cross-validation is 0.

    Folds share training samples, so their differences are correlated, and a plain t test finds
    differences that are not there. With J folds the variance of their mean is taken as
    ``(1 / J + n_test / n_train) * s**2`` instead of ``s**2 / J`` [1]_, for repeated
    cross-validation as well [2]_; J - 1 degrees of freedom.

    Parameters
    ----------
    differences : array-like of shape (J,)
        One a fold, of the same folds. Those that are NaN are left out.
    test_to_train : float
        Samples of a test part by samples of a training part: 1 / (k - 1) for k folds.

    Returns
    -------
    PairedTest
        All NaN for fewer than two folds. A p value of 1 where all differences are 0.

    References
    ----------
    .. [1] Nadeau, C., Bengio, Y. (2003). Inference for the generalization error. Machine Learning
       52, 239-281.
    .. [2] Bouckaert, R. R., Frank, E. (2004). Evaluating the replicability of significance tests
       for comparing learning algorithms. PAKDD 2004, 3-12.

    Examples
    --------
    >>> from skedema.evaluation.statistics import corrected_resampled_t
    >>> aucs, others = np.array([0.81, 0.78, 0.84, 0.80, 0.79]), np.full(5, 0.78)
    >>> test = corrected_resampled_t(aucs - others, test_to_train=1 / 4)
    >>> round(test.p_value, 3)
    0.195
    """
    values = np.asarray(differences, dtype=np.float64)
    values = values[~np.isnan(values)]
    if len(values) < 2:
        return PairedTest(np.nan, np.nan, np.nan, np.nan)
    error = np.sqrt((1 / len(values) + test_to_train) * values.var(ddof=1))
    return _two_sided(float(values.mean()), float(error), t(len(values) - 1))


def holm(p_values: Any) -> Floats:
    """Adjust p values for their number by Holm's step-down method.

    The smallest of m is multiplied by m, the next by m - 1, and so on; none becomes smaller than
    the one before it, and none greater than 1 [1]_. Rejecting those of at most alpha keeps the
    chance of any false rejection at alpha, however the tests depend on each other.

    Parameters
    ----------
    p_values : array-like of shape (m,)
        Those that are NaN stay so, and do not count.

    Returns
    -------
    ndarray of shape (m,)
        Adjusted, in the same order.

    References
    ----------
    .. [1] Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian
       Journal of Statistics 6, 65-70.

    Examples
    --------
    >>> from skedema.evaluation.statistics import holm
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p_values, dtype=np.float64)
    adjusted = values.copy()
    order = np.argsort(values, kind="stable")[: np.count_nonzero(~np.isnan(values))]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1)
    return adjusted


def patient_weights(groups: Any, n_resamples: int, random_state: int) -> Iterator[Floats]:
    """Resample patients with replacement.

    Parameters
    ----------
    groups : array-like of shape (n,)
        The patient of each row; all rows of a patient are drawn together.
    n_resamples : int
        How many.
    random_state : int
        The same resamples for the same patients, so that models are compared pairwise.

    Yields
    ------
    ndarray of shape (b, n)
        How often each row was drawn in each of the next b resamples.

    Examples
    --------
    >>> from skedema.evaluation.statistics import patient_weights
    >>> (weights,) = patient_weights(["P1", "P1", "P2"], n_resamples=4, random_state=0)
    >>> weights.shape, bool((weights[:, 0] == weights[:, 1]).all())
    ((4, 3), True)
    """
    codes = np.unique(groups, return_inverse=True)[1]
    size = int(codes.max()) + 1
    # A stream of its own: who simulates labels from the same seed must not resample by them.
    rng = np.random.default_rng([_STREAM, random_state])
    chunk = max(1, _CHUNK // len(codes))
    for start in range(0, n_resamples, chunk):
        drawn = rng.multinomial(size, np.full(size, 1 / size), size=min(chunk, n_resamples - start))
        yield drawn[:, codes].astype(np.float64)


def percentile_interval(values: Any, confidence: float = 0.95) -> tuple[float, float]:
    """Give the percentile interval of bootstrap resamples.

    Parameters
    ----------
    values : array-like of shape (b,)
        The figure in each resample.
    confidence : float, default=0.95
        Of the interval: between its percentiles (Efron 1979).

    Returns
    -------
    tuple of two floats
        Low and high. NaN where the figure is undefined in more than 5 % of the resamples: the
        interval would be that of the others.

    Examples
    --------
    >>> from skedema.evaluation.statistics import percentile_interval
    >>> percentile_interval(range(101), confidence=0.5)
    (25.0, 75.0)
    """
    values = np.asarray(values, dtype=np.float64)
    defined = values[~np.isnan(values)]
    if len(defined) == 0 or len(defined) < _LEAST_DEFINED * len(values):
        return np.nan, np.nan
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _added(values: Floats, codes: NDArray[np.intp], size: int) -> Floats:
    return np.stack([np.bincount(codes, row, size) for row in values])


def _two_sided(difference: float, error: float, distribution: Any) -> PairedTest:
    if error <= 1e-12 * max(abs(difference), 1):  # rounding is all there is
        equal = abs(difference) <= 1e-12
        return PairedTest(difference, error, np.nan, 1.0 if equal else np.nan)
    statistic = difference / error
    return PairedTest(difference, error, statistic, float(2 * distribution.sf(abs(statistic))))
