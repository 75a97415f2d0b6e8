"""Scores of which each patient's share is known, so that differences have an interval.

The variance of a score is that of the patients' shares in it: for the AUC these are DeLong's
components (DeLong et al. 1988, Biometrics 44, 837-845), those of one patient added up as by
Obuchowski (1997, Biometrics 53, 567-578); for a mean over patients, their own values. No patient
has to be drawn again, so that many differences are told at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from skedema._registry import nearest_name

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """How predictions are scored.

    Attributes
    ----------
    words : str
        What a figure calls it.
    sign : int
        1 where greater is better, -1 where less is.
    shares : callable
        Gives the score of labels, of shape (n,), and probabilities, (n, n_classes), or of numbers
        and what is predicted of them, (n, 1), and the share of each row in it, about 0.
    """

    words: str
    sign: int
    shares: Callable[[NDArray[Any], Floats], tuple[float, Floats]]


def _roc_auc(label: NDArray[np.intp], probability: Floats) -> tuple[float, Floats]:
    n_classes = probability.shape[1]
    each = [_of_one_class(label == k, probability[:, k]) for k in range(n_classes)]
    each = each[1:] if n_classes == 2 else each
    return float(np.mean([auc for auc, _ in each])), np.mean([share for _, share in each], axis=0)


def _of_one_class(positive: NDArray[np.bool_], score: Floats) -> tuple[float, Floats]:
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if not n_positive or not n_negative:
        raise ValueError(
            "The AUC needs held-out patients of every class: take scoring='log_loss', or others."
        )
    ranks = rankdata(score)
    won = np.empty(len(score))  # the share of the other class that a patient is ranked right with
    won[positive] = (ranks[positive] - rankdata(score[positive])) / n_negative
    won[~positive] = 1 - (ranks[~positive] - rankdata(score[~positive])) / n_positive
    auc = float(won[positive].mean())
    return auc, (won - auc) / np.where(positive, n_positive, n_negative)


def _log_loss(label: NDArray[np.intp], probability: Floats) -> tuple[float, Floats]:
    told = probability[np.arange(len(label)), label]
    return _mean(-np.log(np.clip(told, np.finfo(np.float64).eps, 1)))


def _absolute_error(observed: NDArray[Any], predicted: Floats) -> tuple[float, Floats]:
    return _mean(np.abs(predicted[:, 0] - observed))


def _mean(losses: Floats) -> tuple[float, Floats]:
    mean = float(losses.mean())
    return mean, (losses - mean) / len(losses)


_SCORES = {
    "roc_auc": Score("AUC", 1, _roc_auc),
    "log_loss": Score("log loss", -1, _log_loss),
}


_SCORES_OF_NUMBERS = {"mae": Score("MAE", -1, _absolute_error)}


def find_score(name: str | None, *, numbers: bool = False) -> Score:
    """Look a score up, of classes or of numbers; None is the first."""
    scores = _SCORES_OF_NUMBERS if numbers else _SCORES
    name = next(iter(scores)) if name is None else name
    if name not in scores:
        of = " of numbers" if numbers else ""
        raise ValueError(f"There is no scoring {name!r}{of}. {nearest_name(str(name), scores)}")
    return scores[name]


def half_width(of_patients: Floats, confidence: float, variance: Any = 0.0) -> Any:
    """Give half the interval of a score, from the shares of patients; (..., n_patients).

    `variance` is what comes from elsewhere. Where no patient has a share there is no interval: some
    who are all alike do not tell that all others are. Of a dozen positives or fewer it is narrow,
    as any interval from a standard error.
    """
    n_patients = of_patients.shape[-1]
    own = (of_patients**2).sum(axis=-1) * n_patients / max(n_patients - 1, 1)
    half = norm.ppf((1 + confidence) / 2) * np.sqrt(own + variance)
    return np.where(own > 0, half, np.nan)
