"""The patients of the simulated cohort: label, image finding, clinical variables, exact posterior.

The model, in the order in which a patient is drawn:

1. ``y ~ Bernoulli(PREVALENCE)``: edema or not.
2. The image finding: a severity ``u | y ~ N(+-SEPARATION / 2, 1)``. Everything the scan shows of
   the edema is a deterministic function of it (see :mod:`skedema.datasets._edema`).
3. Independently of ``u`` given ``y``, the clinical variables. The measured ones share one factor
   ``f ~ N(0, 1)`` (how ill the patient is): ``z_j = effect_j (y - 1/2) + loading_j f +
   sqrt(1 - loading_j^2) e_j``, so that ``z | y`` is a multivariate normal with unit variances and
   correlations ``loading_i loading_j``. A monotone map brings ``z_j`` to its unit, where it is
   rounded and clipped the way a chart would show it. The categorical ones are tables P(value | y).
4. Missing values: completely at random, but for osmolality, which is ordered for the sick, so that
   its absence informs about ``y``.

Rounded values are intervals of ``z``, and intervals are independent given ``f`` and ``y``: the
likelihood of a whole row is a one-dimensional integral over ``f``, done by Gauss-Hermite
quadrature. The posterior is therefore that of the table as reported, to the quadrature's error.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, log_ndtr, logit, logsumexp, ndtri

FloatArray = NDArray[np.float64]

PREVALENCE = 0.465
"""P(edema). The value that the paper's pooled positive-class metrics would imply."""

IMAGE_AUC = 0.88
SEPARATION = float(np.sqrt(2) * ndtri(IMAGE_AUC))
"""Distance of the two means of the severity, in its standard deviations: two normals of equal
variance ``d`` apart have the AUC ``Phi(d / sqrt(2))``."""


class Measure(NamedTuple):
    """A measured clinical variable: its latent model and how the chart shows it."""

    name: str
    scale: Literal["linear", "log"]
    center: float
    spread: float
    step: float
    low: float
    high: float
    effect: float
    loading: float
    always: bool = False

    def report(self, z: FloatArray) -> FloatArray:
        """Bring latent values to the unit, rounded to the step and clipped to the range."""
        if self.scale == "linear":
            value = self.center + self.spread * z
        else:
            value = self.center * np.exp(self.spread * z)
        steps = np.clip(np.rint(value / self.step), self.low / self.step, self.high / self.step)
        return np.round(steps * self.step, 3)

    def latent(self, value: FloatArray) -> FloatArray:
        """Bring values in the unit to the latent scale."""
        if self.scale == "linear":
            return (value - self.center) / self.spread
        return np.log(value / self.center) / self.spread

    def interval(self, reported: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Bounds of the latent values that are reported as ``reported``, shape (n,) each."""
        a = self.latent(reported - self.step / 2)
        b = self.latent(reported + self.step / 2)
        sign = np.sign(self.spread)
        a = np.where(reported <= self.low + self.step / 4, -sign * np.inf, a)
        b = np.where(reported >= self.high - self.step / 4, sign * np.inf, b)
        return np.minimum(a, b), np.maximum(a, b)


# Age bends the anatomy (ventricles and sulci widen) and sex the head's size: both are always
# recorded and neither has an effect of its own, so that what a scan betrays of them tells nothing
# about the label that `oracle` does not already count.
MEASURES = (
    Measure("age", "linear", 67, 13, 1, 18, 98, effect=0.0, loading=0.35, always=True),
    Measure("hours_since_onset", "log", 9, 0.7, 0.1, 0.5, 72, effect=0.65, loading=0.0),
    Measure("gcs", "linear", 12, -2.6, 1, 3, 15, effect=1.4, loading=0.5),
    Measure("systolic_bp", "linear", 152, 24, 1, 80, 240, effect=0.3, loading=0.35),
    Measure("glucose", "log", 7.2, 0.28, 0.1, 2.5, 30, effect=1.05, loading=0.4),
    Measure("sodium", "linear", 138.5, -3.6, 1, 115, 165, effect=0.9, loading=0.3),
    Measure("osmolality", "linear", 293, 8, 1, 255, 360, effect=0.85, loading=0.4),
    Measure("platelets", "linear", 235, 62, 1, 40, 520, effect=0.0, loading=0.0),
)

# Value, P(value | no edema), P(value | edema); whether it is always recorded.
TABLES: dict[str, tuple[tuple[object, float, float], ...]] = {
    "sex": (("female", 0.48, 0.48), ("male", 0.52, 0.52)),
    "admission": (("direct", 0.62, 0.50), ("transfer", 0.28, 0.39), ("in-hospital", 0.10, 0.11)),
    "anticoagulated": ((True, 0.18, 0.24), (False, 0.82, 0.76)),
}
ALWAYS_RECORDED = ("age", "sex", "anticoagulated")
COLUMNS = (
    "age",
    "sex",
    "admission",
    "hours_since_onset",
    "gcs",
    "systolic_bp",
    "glucose",
    "sodium",
    "osmolality",
    "platelets",
    "anticoagulated",
)
_OSMOLALITY_POWER = (5.0, 1.5)
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(48)
_LOG_WEIGHTS = np.log(_WEIGHTS / _WEIGHTS.sum())


class Patients(NamedTuple):
    """Patients without their scans, n of each."""

    clinical: pd.DataFrame
    target: NDArray[np.int64]
    severity: FloatArray
    oracle: pd.DataFrame


def missing_rates(name: str, missing: float) -> tuple[float, float]:
    """P(missing | no edema), P(missing | edema) of one variable."""
    if name in ALWAYS_RECORDED:
        return 0.0, 0.0
    if name == "osmolality":
        without, with_edema = -np.expm1(np.array(_OSMOLALITY_POWER) * np.log1p(-missing))
        return float(without), float(with_edema)
    return missing, missing


def draw_patients(n_samples: int, missing: float, seed: np.random.SeedSequence) -> Patients:
    """Draw label, severity and clinical variables, and work out the exact posteriors.

    Every variable has a stream of its own and takes its numbers in the order of the patients:
    a larger cohort begins with the smaller one.
    """
    streams = iter([np.random.default_rng(child) for child in seed.spawn(3 + 2 * len(COLUMNS))])
    y = (next(streams).random(n_samples) < PREVALENCE).astype(np.int64)
    severity = SEPARATION * (y - 0.5) + next(streams).standard_normal(n_samples)
    factor = next(streams).standard_normal(n_samples)
    measures = {measure.name: measure for measure in MEASURES}
    columns: dict[str, object] = {}
    for name in COLUMNS:
        values, gaps = next(streams), next(streams)
        absent = gaps.random(n_samples) < np.take(missing_rates(name, missing), y)
        if name in measures:
            measure = measures[name]
            noise = values.standard_normal(n_samples)
            z = measure.effect * (y - 0.5) + measure.loading * factor
            reported = measure.report(z + np.sqrt(1 - measure.loading**2) * noise)
            whole = measure.always and measure.step == 1
            columns[name] = (
                reported.astype(np.int64) if whole else np.where(absent, np.nan, reported)
            )
        else:
            columns[name] = _draw_category(name, y, values.random(n_samples), absent)
    clinical = pd.DataFrame(columns)
    image_ratio = SEPARATION * severity
    clinical_ratio = log_likelihood_ratio(clinical, missing)
    prior = float(logit(PREVALENCE))
    oracle = pd.DataFrame(
        {
            "image": expit(prior + image_ratio),
            "clinical": expit(prior + clinical_ratio),
            "both": expit(prior + image_ratio + clinical_ratio),
        }
    )
    return Patients(clinical, y, severity, oracle)


def _draw_category(
    name: str, y: NDArray[np.int64], uniform: FloatArray, absent: NDArray[np.bool_]
) -> NDArray[np.bool_] | pd.Series:
    labels = [row[0] for row in TABLES[name]]
    bounds = np.cumsum([row[1:] for row in TABLES[name]], axis=0)[:-1]
    index = (uniform[:, None] > bounds[:, y].T).sum(axis=1)
    if name in ALWAYS_RECORDED and all(isinstance(label, bool) for label in labels):
        return np.array(labels, dtype=bool)[index]
    text = pd.Series([str(labels[i]) for i in index])
    return text.mask(absent)


def log_likelihood_ratio(clinical: pd.DataFrame, missing: float) -> FloatArray:
    """Log P(row | edema) - log P(row | no edema) of clinical rows as reported, shape (n,)."""
    per_class = [_log_likelihood(clinical, y, missing) for y in (0, 1)]
    return per_class[1] - per_class[0]


def _log_likelihood(clinical: pd.DataFrame, y: int, missing: float) -> FloatArray:
    n_samples = len(clinical)
    total = np.zeros(n_samples)
    given_factor = np.broadcast_to(_LOG_WEIGHTS, (n_samples, len(_NODES))).copy()
    for measure in MEASURES:
        reported = clinical[measure.name].to_numpy(dtype=np.float64)
        seen = ~np.isnan(reported)
        low, high = measure.interval(reported[seen])
        mean = measure.effect * (y - 0.5) + measure.loading * _NODES
        sd = np.sqrt(1 - measure.loading**2)
        given_factor[seen] += _log_normal_mass(
            (low[:, None] - mean) / sd, (high[:, None] - mean) / sd
        )
    total += logsumexp(given_factor, axis=1)
    for name, rows in TABLES.items():
        table = {label: np.log(row[y]) for label, *row in rows}
        total += clinical[name].map(table).fillna(0.0).to_numpy(dtype=np.float64)
    if missing > 0:
        for name in COLUMNS:
            if name not in ALWAYS_RECORDED:
                rate = missing_rates(name, missing)[y]
                total += np.where(clinical[name].isna(), np.log(rate), np.log1p(-rate))
    return total


def _log_normal_mass(low: FloatArray, high: FloatArray) -> FloatArray:
    """log(Phi(high) - Phi(low)) without cancellation in either tail; low < high."""
    flip = low > 0
    a = np.where(flip, -high, low)
    b = np.where(flip, -low, high)
    top = log_ndtr(b)
    return np.asarray(top + np.log1p(-np.exp(log_ndtr(a) - top)), dtype=np.float64)
