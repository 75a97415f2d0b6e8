from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import trapezoid
from scipy.special import expit, logit
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from skedema.datasets._patients import draw_patients
from skedema.datasets._posterior import (
    additive,
    clinical_evidence,
    clinical_log_odds,
    image_log_odds,
    posteriors,
    row_log_likelihood,
)
from skedema.datasets._subject import PATTERNS, SITES
from skedema.datasets._variables import (
    CATEGORIES,
    MEASURES,
    PATTERN_AND_LABEL,
    PREVALENCE,
    SEPARATION,
    SITE_POWER,
    TURNED,
    with_interaction,
)

MISSING = 0.15
GRID = np.linspace(-7, 7, 141)


def codes(patients):
    return np.array([PATTERNS.index(name) for name in patients.pattern])


@pytest.fixture
def few():
    return draw_patients(40, MISSING, np.random.SeedSequence(5))


def measures_at(interaction):
    return [variable for variable in with_interaction(interaction) if variable not in CATEGORIES]


def likelihood_on_a_grid(row, pattern, y, missing, r, measures=MEASURES):
    """P(row | pattern, y, f, r) for f on the grid, from the model as its docstring states it."""
    f = GRID[:, None]
    total = np.ones(np.broadcast_shapes(f.shape, np.shape(r)))
    site_power = SITE_POWER[SITES.index(row["site"])]
    for variable in (*measures, *CATEGORIES):
        if getattr(variable, "only_if", None) and not row[variable.only_if]:
            assert pd.isna(row[variable.name])
            continue
        absent = pd.isna(row[variable.name])
        if variable.gaps is not None:
            gaps = variable.gaps
            power = gaps.power * site_power
            power = power * np.exp(gaps.on_factor * f + gaps.on_label * (y - 0.5))
            present = (1 - gaps.never[pattern]) * (1 - missing) ** power
            total = total * (1 - present if absent else present)
        if absent:
            continue
        value = row[variable.name]
        if variable in CATEGORIES:
            total = total * variable.share[variable.values.index(value)][pattern][y]
            continue
        edges = np.array([value - variable.step / 2, value + variable.step / 2])
        if variable.scale == "log":
            edges = np.log(edges / variable.center)
        else:
            edges = edges - variable.center
        low, high = sorted(edges / variable.spread)
        at_end = {variable.low: -1, variable.high: 1}.get(value, 0) * np.sign(variable.spread)
        low, high = (-np.inf if at_end < 0 else low), (np.inf if at_end > 0 else high)
        mean = variable.effect[pattern] * (y - 0.5) + variable.shift[pattern]
        mean = mean + variable.loading * f + variable.link[pattern] * r
        sd = np.sqrt(1 - variable.loading**2 - variable.link[pattern] ** 2)
        total = total * (norm.cdf((high - mean) / sd) - norm.cdf((low - mean) / sd))
    return total


# The trapezoid rule is exact to round-off for a smooth integrand that dies out at both ends.
def over_factor(values):
    return trapezoid(norm.pdf(GRID)[:, None] * values, GRID, axis=0)


@pytest.mark.parametrize("interaction", [0.0, 1.0])
def test_the_clinical_posterior_equals_numerical_integration_of_the_stated_model(few, interaction):
    measures = measures_at(interaction)
    clinical = few.clinical.iloc[:6].copy()
    clinical.loc[0, ["gcs", "sodium", "nihss"]] = [15, 110, 0]
    clinical.loc[1, ["gcs", "glucose", "nihss"]] = [3, 2.5, np.nan]
    expected = []
    for _, row in clinical.iterrows():
        odds = [0.0, 0.0]
        for y in (0, 1):
            for p in range(len(PATTERNS)):
                by_residual = over_factor(likelihood_on_a_grid(row, p, y, MISSING, GRID, measures))
                likelihood = trapezoid(norm.pdf(GRID) * by_residual, GRID)
                odds[y] += PATTERN_AND_LABEL[p, y] * likelihood
        expected.append(np.log(odds[1] / odds[0]))
    np.testing.assert_allclose(clinical_log_odds(clinical, MISSING, measures), expected, atol=5e-6)


@pytest.mark.parametrize("interaction", [0.0, 1.0])
def test_the_evidence_given_the_finding_equals_numerical_integration(few, interaction):
    measures = measures_at(interaction)
    expected = []
    for i, row in few.clinical.iterrows():
        p = PATTERNS.index(few.pattern[i])
        without, with_edema = (
            over_factor(
                likelihood_on_a_grid(
                    row, p, y, MISSING, few.severity[i] - SEPARATION[p] * (y - 0.5), measures
                )
            )[0]
            for y in (0, 1)
        )
        expected.append(np.log(with_edema / without))
    actual = clinical_evidence(few.clinical, codes(few), few.severity, MISSING, measures)
    np.testing.assert_allclose(actual, expected, atol=5e-6)


def test_the_image_posterior_is_bayes_rule_for_two_normals(few):
    likelihood = [
        PATTERN_AND_LABEL[codes(few), y]
        * norm.pdf(few.severity, np.take(SEPARATION, codes(few)) * (y - 0.5))
        for y in (0, 1)
    ]
    expected = likelihood[1] / (likelihood[0] + likelihood[1])
    np.testing.assert_allclose(few.oracle["image"], expected, rtol=1e-9)


def test_the_mean_over_the_residual_is_the_mean_of_the_given_residuals(few):
    infarct = PATTERNS.index("infarct")
    rows = few.clinical.iloc[[0, 1, 2]]
    given = np.stack(
        [row_log_likelihood(rows, infarct, 1, MISSING, np.full(3, r)) for r in GRID], axis=1
    )
    expected = trapezoid(np.exp(given) * norm.pdf(GRID), GRID, axis=1)
    np.testing.assert_allclose(
        np.exp(row_log_likelihood(rows, infarct, 1, MISSING)), expected, rtol=1e-5
    )


@pytest.fixture(params=["patients", "interacting"])
def drawn(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("name", ["image", "clinical", "both"])
def test_the_oracle_is_calibrated(drawn, name):
    predicted = drawn.oracle[name].to_numpy()
    bins = np.digitize(predicted, np.linspace(0, 1, 11)[1:-1])
    for i in np.unique(bins):
        here = bins == i
        spread = np.sqrt((predicted[here] * (1 - predicted[here])).sum()) / here.sum()
        assert abs(drawn.target[here].mean() - predicted[here].mean()) < 4 * spread


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_oracle_is_calibrated_within_each_pattern(drawn, pattern):
    here = drawn.pattern == pattern
    for name in ("image", "both"):
        predicted = drawn.oracle.loc[here, name].to_numpy()
        spread = np.sqrt((predicted * (1 - predicted)).sum()) / here.sum()
        assert abs(drawn.target[here].mean() - predicted.mean()) < 4 * spread


@pytest.mark.parametrize("site", SITES)
def test_the_oracle_is_calibrated_at_each_site(patients, site):
    here = (patients.clinical["site"] == site).to_numpy()
    for name in patients.oracle:
        predicted = patients.oracle.loc[here, name].to_numpy()
        spread = np.sqrt((predicted * (1 - predicted)).sum()) / here.sum()
        assert abs(patients.target[here].mean() - predicted.mean()) < 4 * spread


def test_the_oracles_rank_as_stated(patients):
    auc = {name: roc_auc_score(patients.target, patients.oracle[name]) for name in patients.oracle}
    # At 20 000 patients an AUC has a standard error of 0.001 to 0.0025.
    assert auc["image"] == pytest.approx(0.88, abs=0.0075)
    assert auc["clinical"] == pytest.approx(0.92, abs=0.006)
    assert auc["both"] == pytest.approx(0.97, abs=0.004)


@pytest.mark.slow
def test_the_oracles_rank_as_stated_in_many_patients():
    patients = draw_patients(50_000, MISSING, np.random.SeedSequence(0))
    auc = {name: roc_auc_score(patients.target, patients.oracle[name]) for name in patients.oracle}
    assert auc == pytest.approx({"image": 0.88, "clinical": 0.92, "both": 0.97}, abs=0.005)
    combined = roc_auc_score(patients.target, additive(patients.oracle))
    assert combined == pytest.approx(0.953, abs=0.005)


def test_knowing_both_beats_adding_what_each_tells(patients):
    both = roc_auc_score(patients.target, patients.oracle["both"])
    combined = roc_auc_score(patients.target, additive(patients.oracle))
    alone = [
        roc_auc_score(patients.target, patients.oracle[name]) for name in ("image", "clinical")
    ]
    assert max(alone) + 0.02 < combined < both - 0.01


def test_interaction_is_what_only_both_together_tell(patients, interacting):
    np.testing.assert_array_equal(interacting.oracle["image"], patients.oracle["image"])
    auc = {
        name: roc_auc_score(interacting.target, predicted)
        for name, predicted in (*interacting.oracle.items(), ("sum", additive(interacting.oracle)))
    }
    assert auc["clinical"] == pytest.approx(0.83, abs=0.015)
    assert auc["both"] == pytest.approx(0.98, abs=0.005)
    assert auc["both"] - auc["sum"] > 0.04


@pytest.mark.parametrize("name", TURNED)
def test_turned_variables_tell_what_they_do_in_a_large_draw(interacting, name):
    """The share with edema in groups of one variable and pattern is what the posterior expects."""
    values = interacting.clinical[name]
    level = pd.qcut(values.rank(method="first"), 4, labels=False).fillna(-1)
    both = interacting.oracle["both"]
    table = pd.DataFrame({"y": interacting.target, "p": both, "variance": both * (1 - both)})
    for _, rows in table.groupby([interacting.pattern, level]):
        spread = np.sqrt(rows["variance"].sum()) / len(rows)
        assert abs(rows["y"].mean() - rows["p"].mean()) < 4 * spread
    known, infarct = values.notna(), interacting.pattern == "infarct"
    edema = interacting.target == 1
    in_infarcts, elsewhere = (
        values[known & edema & of].mean() - values[known & ~edema & of].mean()
        for of in (infarct, interacting.pattern == "haemorrhage")
    )
    assert np.sign(in_infarcts) == -np.sign(elsewhere) != 0


def test_adding_multiplies_the_odds(few):
    image, clinical = (logit(few.oracle[name]) for name in ("image", "clinical"))
    np.testing.assert_allclose(additive(few.oracle), expit(image + clinical - logit(PREVALENCE)))


def test_a_clean_scan_tells_no_more_than_that(patients):
    clean = patients.oracle["image"][patients.pattern == "none"]
    np.testing.assert_allclose(clean, 0.045 / 0.25)


def evidence_of(name, values, pattern, severity=0.0):
    """Evidence for edema of rows that differ in one variable and know no other."""
    blank = draw_patients(1, 0.0, np.random.SeedSequence(1)).clinical
    rows = blank.loc[np.zeros(len(values), dtype=int)].reset_index(drop=True)
    rows["anticoagulated"] = name == "anti_xa"
    for measure in MEASURES:
        if measure.name != "age":
            rows[measure.name] = np.nan
    rows[name] = values
    code = np.full(len(values), PATTERNS.index(pattern))
    return clinical_evidence(rows, code, np.full(len(values), severity), MISSING)


def test_the_same_severity_tells_less_the_longer_ago_the_onset():
    evidence = evidence_of("hours_since_onset", [3.0, 10.0, 40.0], "infarct", severity=1.0)
    assert (np.diff(evidence) < -0.5).all()


def test_without_the_scan_a_late_infarct_speaks_for_edema(patients):
    late = patients.clinical["hours_since_onset"] > 12
    infarct = patients.pattern == "infarct"
    known = patients.clinical["hours_since_onset"].notna()
    target = pd.Series(patients.target)
    assert target[infarct & known & late].mean() > target[infarct & known & ~late].mean() + 0.05


def test_the_scan_says_which_variable_matters():
    level = {p: np.ptp(evidence_of("anti_xa", [50.0, 400.0], p)) for p in PATTERNS}
    assert level["haemorrhage"] > 2
    assert max(level[p] for p in PATTERNS if p != "haemorrhage") < 1e-9
    salt = {p: np.diff(evidence_of("sodium", [130.0, 140.0], p))[0] for p in PATTERNS}
    assert salt["diffuse"] < -2
    assert abs(salt["infarct"]) < 0.5
    osmolality = {p: np.diff(evidence_of("osmolality", [285.0, 305.0], p))[0] for p in PATTERNS}
    assert osmolality["infarct"] > 1
    assert osmolality["diffuse"] < -1


def test_platelets_never_move_the_posterior(few):
    known = few.clinical["platelets"].notna()
    rows = few.clinical[known]
    changed = rows.assign(platelets=rows["platelets"] + 50)
    np.testing.assert_allclose(
        clinical_log_odds(changed, MISSING), clinical_log_odds(rows, MISSING), atol=1e-8
    )


def test_the_absence_of_osmolality_speaks_against_edema():
    evidence = evidence_of("osmolality", [np.nan], "infarct")
    ignored = evidence_of("osmolality", [296.0], "infarct")
    assert evidence[0] < ignored[0] - 0.5


def test_a_scored_stroke_scale_rules_out_diffuse_swelling(few):
    scored = few.clinical[few.clinical["nihss"].notna()]
    diffuse = PATTERNS.index("diffuse")
    assert (row_log_likelihood(scored, diffuse, 0, MISSING) == -np.inf).all()


def test_a_row_is_judged_by_itself(few):
    code = codes(few)
    order = np.random.default_rng(0).permutation(len(code))
    shuffled = posteriors(few.clinical.iloc[order], code[order], few.severity[order], MISSING)
    np.testing.assert_allclose(shuffled, few.oracle.iloc[order], rtol=1e-9)


def test_extreme_values_have_finite_evidence(few):
    rows = few.clinical.iloc[:2].copy()
    for measure, value in [(m, v) for m in MEASURES for v in (m.low, m.high)]:
        rows[measure.name] = value
    for p in (1, 2):
        for u in (-6.0, 6.0):
            code, severity = np.full(2, p), np.full(2, u)
            rows["anticoagulated"] = True
            assert np.isfinite(clinical_evidence(rows, code, severity, MISSING)).all()
            assert np.isfinite(image_log_odds(code, severity)).all()
    assert np.isfinite(clinical_log_odds(rows, MISSING)).all()


@pytest.mark.parametrize("missing", [0.0, 1e-12, 0.9])
def test_any_rate_of_missing_values_has_finite_posteriors(missing):
    oracle = draw_patients(500, missing, np.random.SeedSequence(0)).oracle
    assert oracle.gt(0).all(axis=None)
    assert oracle.lt(1).all(axis=None)
