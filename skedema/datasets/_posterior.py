"""The exact posterior of simulated patients: from the scan, from the table, from both.

A rounded value is an interval of the latent scale. Given pattern, label, how ill the patient is
(``f``) and the severity's residual (``r``), variables and gaps are independent, so that the
likelihood of a row is an integral over ``f`` and, where the severity is not known, over ``r``. Both
are standard normal; the integrals are done by Gauss-Hermite quadrature, and the posterior is that
of the table as reported, to the quadrature's error.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit, logsumexp

from skedema.datasets._measures import FloatArray, Measure, log_normal_mass
from skedema.datasets._subject import PATTERNS, SITES
from skedema.datasets._variables import (
    CATEGORIES,
    MEASURES,
    PATTERN_AND_LABEL,
    PREVALENCE,
    SEPARATION,
    SITE_POWER,
    VARIABLES,
)

_ROWS_AT_ONCE = 2000


def _rule(n_nodes: int) -> tuple[FloatArray, FloatArray]:
    """Nodes and log weights of the mean over a standard normal."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(n_nodes)
    return nodes, np.log(weights / weights.sum())


_FACTOR, _FACTOR_WEIGHT = _rule(32)
_RESIDUAL, _RESIDUAL_WEIGHT = _rule(20)


def posteriors(
    clinical: pd.DataFrame,
    pattern: NDArray[np.intp],
    severity: FloatArray,
    missing: float,
    measures: Sequence[Measure] = MEASURES,
) -> pd.DataFrame:
    """P(edema | finding), P(edema | clinical row as reported) and P(edema | both)."""
    image = image_log_odds(pattern, severity)
    return pd.DataFrame(
        {
            "image": expit(image),
            "clinical": expit(clinical_log_odds(clinical, missing, measures)),
            "both": expit(
                image + clinical_evidence(clinical, pattern, severity, missing, measures)
            ),
        }
    )


def additive(oracle: pd.DataFrame) -> FloatArray:
    """P(edema) if the finding and the clinical row were independent given the label.

    What it lacks of ``both`` is what they tell by their interaction.
    """
    log_odds = logit(oracle["image"]) + logit(oracle["clinical"]) - logit(PREVALENCE)
    return expit(log_odds.to_numpy(dtype=np.float64))  # type: ignore[no-any-return]


def image_log_odds(pattern: NDArray[np.intp], severity: FloatArray) -> FloatArray:
    """Log odds of edema given pattern and severity, shape (n,)."""
    prior = np.log(PATTERN_AND_LABEL[:, 1] / PATTERN_AND_LABEL[:, 0])
    return np.asarray(prior[pattern] + np.take(SEPARATION, pattern) * severity, dtype=np.float64)


def clinical_log_odds(
    clinical: pd.DataFrame, missing: float, measures: Sequence[Measure] = MEASURES
) -> FloatArray:
    """Log odds of edema given the clinical row, the pattern being unknown; shape (n,)."""
    joint = [
        [
            np.log(PATTERN_AND_LABEL[p, y])
            + row_log_likelihood(clinical, p, y, missing, None, measures)
            for p in range(len(PATTERNS))
        ]
        for y in (0, 1)
    ]
    without, with_edema = logsumexp(joint, axis=1)
    return np.asarray(with_edema - without, dtype=np.float64)


def clinical_evidence(
    clinical: pd.DataFrame,
    pattern: NDArray[np.intp],
    severity: FloatArray,
    missing: float,
    measures: Sequence[Measure] = MEASURES,
) -> FloatArray:
    """Log ratio of the clinical row's probabilities, edema to no edema, given the finding."""
    ratio = np.zeros(len(clinical))
    for p in range(len(PATTERNS)):
        here = pattern == p
        without, with_edema = (
            row_log_likelihood(
                clinical[here], p, y, missing, severity[here] - SEPARATION[p] * (y - 0.5), measures
            )
            for y in (0, 1)
        )
        ratio[here] = with_edema - without
    return ratio


def row_log_likelihood(
    clinical: pd.DataFrame,
    pattern: int,
    y: int,
    missing: float,
    residual: FloatArray | None = None,
    measures: Sequence[Measure] = MEASURES,
) -> FloatArray:
    """Log P(row | pattern, label) or, given ``residual`` (n,), log P(row | pattern, label, r)."""
    linked = [measure for measure in measures if measure.link[pattern]]
    given = np.tile(_FACTOR_WEIGHT, (len(clinical), 1))
    given += _log_categories(clinical, pattern, y)[:, None]
    given += _log_gaps(clinical, pattern, y, missing)
    for measure in measures:
        if measure not in linked:
            mean = measure.mean(pattern, y, 0.0, _FACTOR)
            _add_values(given, clinical, measure, pattern, mean)
    if residual is None and linked:
        return _mean_over_residual(given, clinical, linked, pattern, y)
    residual = np.zeros(len(clinical)) if residual is None else residual
    for measure in linked:
        mean = measure.mean(pattern, y, residual[:, None], _FACTOR)
        seen = clinical[measure.name].notna().to_numpy()
        given[seen] += _log_mass(
            measure, pattern, clinical[measure.name].to_numpy(dtype=np.float64)[seen], mean[seen]
        )
    return np.asarray(logsumexp(given, axis=1), dtype=np.float64)


def _mean_over_residual(
    given_factor: FloatArray, clinical: pd.DataFrame, linked: list[Measure], pattern: int, y: int
) -> FloatArray:
    total = np.empty(len(clinical))
    for start in range(0, len(clinical), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        given = given_factor[rows, :, None] + _RESIDUAL_WEIGHT
        for measure in linked:
            mean = measure.mean(pattern, y, _RESIDUAL, _FACTOR[:, None])
            _add_values(given, clinical.iloc[rows], measure, pattern, mean)
        total[rows] = logsumexp(given, axis=(1, 2))
    return total


def _add_values(
    log_likelihood: FloatArray,
    clinical: pd.DataFrame,
    measure: Measure,
    pattern: int,
    mean: FloatArray,
) -> None:
    """Add what the values tell at every node of ``mean``; equal ones are worked out once."""
    reported = clinical[measure.name].to_numpy(dtype=np.float64)
    seen = ~np.isnan(reported)
    values, which = np.unique(reported[seen], return_inverse=True)
    log_likelihood[seen] += _log_mass(measure, pattern, values, mean[None])[which]


def _log_mass(measure: Measure, pattern: int, reported: FloatArray, mean: FloatArray) -> FloatArray:
    """Log probability of the reported values (n,) given the means (n or 1, ...)."""
    by_value = (-1,) + (1,) * (mean.ndim - 1)
    low, high = (edge.reshape(by_value) for edge in measure.interval(reported))
    noise = measure.noise(pattern)
    return log_normal_mass((low - mean) / noise, (high - mean) / noise)


def _log_categories(clinical: pd.DataFrame, pattern: int, y: int) -> FloatArray:
    total = np.zeros(len(clinical))
    for category in CATEGORIES:
        shares = [by_pattern[pattern][y] for by_pattern in category.share]
        table = dict(zip(category.values, np.log(shares), strict=True))
        total += clinical[category.name].map(table).fillna(0.0).to_numpy(dtype=np.float64)
    return total


def _log_gaps(clinical: pd.DataFrame, pattern: int, y: int, missing: float) -> FloatArray:
    """Log P(what is there and what is not | pattern, label, f), shape (n, nodes)."""
    total = np.zeros((len(clinical), len(_FACTOR)))
    site = clinical["site"].map({name: i for i, name in enumerate(SITES)}).to_numpy(dtype=np.intp)
    power = np.array(SITE_POWER)[:, None]
    for variable in VARIABLES:
        if variable.gaps is None:
            continue
        absence = variable.gaps.absence(missing, power, pattern, y, _FACTOR)
        with np.errstate(divide="ignore"):  # what cannot be missing, or cannot be there: -inf
            by_site = np.stack([np.log1p(-absence), np.log(absence)])
        terms = by_site[clinical[variable.name].isna().to_numpy(dtype=int), site]
        if isinstance(variable, Measure) and variable.only_if is not None:
            terms[~clinical[variable.only_if].to_numpy(dtype=bool)] = 0.0
        total += terms
    return total
