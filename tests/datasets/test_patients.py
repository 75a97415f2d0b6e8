from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import trapezoid
from scipy.special import logit
from scipy.stats import multivariate_normal, norm
from sklearn.metrics import roc_auc_score

from skedema.datasets._patients import (
    ALWAYS_RECORDED,
    COLUMNS,
    MEASURES,
    PREVALENCE,
    SEPARATION,
    TABLES,
    draw_patients,
    log_likelihood_ratio,
    missing_rates,
)


@pytest.fixture(scope="module")
def patients():
    return draw_patients(20_000, 0.15, np.random.SeedSequence(11))


def likelihood_by_integration(row, y, missing):
    factors = np.linspace(-9, 9, 2001)

    def given_factor(f):
        total = norm.pdf(f)
        for measure in MEASURES:
            value = row[measure.name]
            if pd.isna(value):
                continue
            sd = np.sqrt(1 - measure.loading**2)
            mean = measure.effect * (y - 0.5) + measure.loading * f
            edges = []
            for edge in (value - measure.step / 2, value + measure.step / 2):
                if measure.scale == "log":
                    edges.append(np.log(edge / measure.center) / measure.spread)
                else:
                    edges.append((edge - measure.center) / measure.spread)
            low, high = sorted(edges)
            beyond = np.inf * np.sign(measure.spread)
            if value == measure.low:
                low, high = (-np.inf, high) if beyond > 0 else (low, np.inf)
            if value == measure.high:
                low, high = (low, np.inf) if beyond > 0 else (-np.inf, high)
            total *= norm.cdf(high, mean, sd) - norm.cdf(low, mean, sd)
        return total

    # The trapezoid rule is exact to round-off for a smooth integrand that dies out at both ends.
    likelihood = trapezoid(given_factor(factors), factors)
    for name, rows in TABLES.items():
        for label, *probabilities in rows:
            if row[name] == label:
                likelihood *= probabilities[y]
    for name in COLUMNS:
        rate = missing_rates(name, missing)[y]
        likelihood *= rate if pd.isna(row[name]) else 1 - rate
    return likelihood


def test_the_quadrature_equals_numerical_integration_of_the_stated_model():
    clinical = draw_patients(25, 0.3, np.random.SeedSequence(5)).clinical
    clinical.loc[0, ["gcs", "sodium"]] = [15, 115]
    clinical.loc[1, ["gcs", "glucose"]] = [3, 2.5]
    expected = [
        np.log(likelihood_by_integration(row, 1, 0.3) / likelihood_by_integration(row, 0, 0.3))
        for _, row in clinical.iterrows()
    ]
    np.testing.assert_allclose(log_likelihood_ratio(clinical, 0.3), expected, rtol=1e-6, atol=1e-6)


def test_fine_intervals_give_the_multivariate_normal_density_ratio():
    names = ["systolic_bp", "osmolality"]
    chosen = [measure for measure in MEASURES if measure.name in names]
    clinical = draw_patients(50, 0.0, np.random.SeedSequence(1)).clinical
    for measure in MEASURES:
        clinical[measure.name] = clinical[measure.name].astype(float)
        if measure.name not in names:
            clinical[measure.name] = np.nan
    clinical["admission"] = np.nan
    z = np.column_stack([m.latent(clinical[m.name].to_numpy()) for m in chosen])
    loading = np.array([m.loading for m in chosen])
    covariance = np.outer(loading, loading) + np.diag(1 - loading**2)
    shift = np.array([m.effect for m in chosen]) / 2
    density = [multivariate_normal(sign * shift, covariance) for sign in (-1, 1)]
    expected = density[1].logpdf(z) - density[0].logpdf(z)
    table = {label: np.log(p1 / p0) for label, p0, p1 in TABLES["anticoagulated"]}
    expected = expected + clinical["anticoagulated"].map(table).to_numpy(dtype=float)
    np.testing.assert_allclose(log_likelihood_ratio(clinical, 0.0), expected, atol=0.01)


@pytest.mark.parametrize("name", ["image", "clinical", "both"])
def test_the_oracle_is_calibrated(patients, name):
    predicted = patients.oracle[name].to_numpy()
    bins = np.digitize(predicted, np.linspace(0, 1, 11)[1:-1])
    for i in range(10):
        here = bins == i
        spread = np.sqrt((predicted[here] * (1 - predicted[here])).sum()) / here.sum()
        assert abs(patients.target[here].mean() - predicted[here].mean()) < 4 * spread


def test_the_oracles_rank_as_stated():
    patients = draw_patients(4000, 0.15, np.random.SeedSequence(0))
    auc = {name: roc_auc_score(patients.target, patients.oracle[name]) for name in patients.oracle}
    assert auc["image"] == pytest.approx(0.88, abs=0.015)
    assert auc["clinical"] == pytest.approx(0.915, abs=0.015)
    assert auc["both"] == pytest.approx(0.964, abs=0.01)


def test_evidence_multiplies(patients):
    image, clinical, both = (logit(patients.oracle[name]) for name in patients.oracle)
    np.testing.assert_allclose(both, image + clinical - logit(PREVALENCE), atol=1e-6)


def test_the_finding_and_the_clinic_are_independent_given_the_label(patients):
    for y in (0, 1):
        rows = patients.target == y
        measured = patients.clinical.loc[rows, [measure.name for measure in MEASURES]]
        correlation = measured.corrwith(pd.Series(patients.severity[rows], index=measured.index))
        assert correlation.abs().max() < 0.06


def test_prevalence_and_severity_are_as_stated(patients):
    assert patients.target.mean() == pytest.approx(PREVALENCE, abs=0.015)
    for y in (0, 1):
        severity = patients.severity[patients.target == y]
        assert severity.mean() == pytest.approx(SEPARATION * (y - 0.5), abs=0.05)
        assert severity.std() == pytest.approx(1, abs=0.03)


def test_values_stay_in_range_on_their_step(patients):
    for measure in MEASURES:
        values = patients.clinical[measure.name].dropna()
        assert values.between(measure.low, measure.high).all()
        np.testing.assert_allclose(values, np.round(values / measure.step) * measure.step)
        np.testing.assert_array_equal(values, np.round(values, 3))


def test_kinds_of_columns(patients):
    kinds = patients.clinical.dtypes
    assert kinds["age"] == np.int64
    assert kinds["anticoagulated"] == np.bool_
    assert kinds["gcs"] == np.float64
    assert set(patients.clinical["sex"]) == {"female", "male"}
    assert set(patients.clinical["admission"].dropna()) == {"direct", "transfer", "in-hospital"}
    assert tuple(patients.clinical) == COLUMNS


def test_values_are_missing_at_the_rates_asked_for(patients):
    gaps = patients.clinical.isna()
    for name in COLUMNS:
        for y in (0, 1):
            rate = missing_rates(name, 0.15)[y]
            assert gaps.loc[patients.target == y, name].mean() == pytest.approx(rate, abs=0.015)
        if name in ALWAYS_RECORDED:
            assert not gaps[name].any()


def test_the_absence_of_osmolality_speaks_against_edema(patients):
    gaps = patients.clinical["osmolality"].isna()
    assert patients.target[gaps].mean() < patients.target[~gaps].mean() - 0.15
    present = patients.clinical.iloc[:1].copy()
    present["osmolality"] = np.nan
    ignoring = log_likelihood_ratio(present, 0.15) - log_likelihood_ratio(present, 0.0)
    assert ignoring[0] < 0


@pytest.mark.parametrize("name", ["age", "sex", "platelets"])
def test_null_variables_do_not_differ_with_the_label(patients, name):
    values = patients.clinical[name]
    values = (values == "male").astype(float) if name == "sex" else values
    seen = values.notna()
    assert roc_auc_score(patients.target[seen], values[seen]) == pytest.approx(0.5, abs=0.015)


def test_platelets_never_move_the_posterior(patients):
    rows = patients.clinical.iloc[:50]
    changed = rows.assign(platelets=rows["platelets"].fillna(200) + 1)
    unmoved = rows["platelets"].notna().to_numpy()
    np.testing.assert_allclose(
        log_likelihood_ratio(changed, 0.15)[unmoved],
        log_likelihood_ratio(rows, 0.15)[unmoved],
        atol=1e-12,
    )


def test_extreme_values_have_finite_posteriors():
    clinical = draw_patients(2, 0.0, np.random.SeedSequence(0)).clinical
    for measure, value in [(m, v) for m in MEASURES for v in (m.low, m.high)]:
        clinical[measure.name] = value
        assert np.isfinite(log_likelihood_ratio(clinical, 0.15)).all()


@pytest.mark.parametrize("missing", [0.0, 1e-12, 0.9])
def test_any_rate_of_missing_values_has_finite_posteriors(missing):
    patients = draw_patients(500, missing, np.random.SeedSequence(0))
    assert patients.oracle.gt(0).all(axis=None)
    assert patients.oracle.lt(1).all(axis=None)
