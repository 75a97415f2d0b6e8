from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from skedema.datasets._patients import draw_patients
from skedema.datasets._subject import PATTERNS, SITES
from skedema.datasets._variables import (
    COLUMNS,
    MEASURES,
    PATTERN_AND_LABEL,
    PREVALENCE,
    SEPARATION,
    SITE_POWER,
)

LOST_BY_CHANCE = ("admission", "gcs", "systolic_bp", "glucose", "sodium", "platelets")


@pytest.fixture(scope="module")
def complete():
    return draw_patients(20_000, 0.0, np.random.SeedSequence(3))


def group(patients, pattern, y=None):
    here = patients.pattern == pattern
    return patients.clinical[here if y is None else here & (patients.target == y)]


def test_patterns_labels_and_severities_are_as_stated(patients):
    assert patients.target.mean() == pytest.approx(PREVALENCE, abs=0.015)
    for p, pattern in enumerate(PATTERNS):
        for y in (0, 1):
            here = (patients.pattern == pattern) & (patients.target == y)
            assert here.mean() == pytest.approx(PATTERN_AND_LABEL[p, y], abs=0.012)
            severity = patients.severity[here]
            assert severity.mean() == pytest.approx(SEPARATION[p] * (y - 0.5), abs=0.14)
            assert severity.std() == pytest.approx(1, abs=0.1)


def test_a_larger_cohort_begins_with_the_smaller_one(patients):
    fewer = draw_patients(150, 0.15, np.random.SeedSequence(11))
    pd.testing.assert_frame_equal(fewer.clinical, patients.clinical.iloc[:150], check_exact=True)
    np.testing.assert_array_equal(fewer.target, patients.target[:150])
    np.testing.assert_array_equal(fewer.pattern, patients.pattern[:150])
    np.testing.assert_array_equal(fewer.severity, patients.severity[:150])
    np.testing.assert_allclose(fewer.oracle, patients.oracle.iloc[:150], rtol=1e-12)


def test_the_same_seed_gives_the_same_bits():
    first, second = (draw_patients(60, 0.15, np.random.SeedSequence(4)) for _ in range(2))
    pd.testing.assert_frame_equal(first.clinical, second.clinical, check_exact=True)
    pd.testing.assert_frame_equal(first.oracle, second.oracle, check_exact=True)
    other = draw_patients(60, 0.15, np.random.SeedSequence(5))
    assert not other.clinical.equals(first.clinical)


def test_how_much_is_missing_changes_no_value(complete):
    sparse = draw_patients(150, 0.5, np.random.SeedSequence(3)).clinical
    full = complete.clinical.iloc[:150]
    for name in COLUMNS:
        seen = sparse[name].notna()
        pd.testing.assert_series_equal(sparse[name][seen], full[name][seen], check_exact=True)


def test_one_patient_is_enough():
    single = draw_patients(1, 0.15, np.random.SeedSequence(0))
    assert single.clinical.shape == (1, len(COLUMNS))
    assert single.oracle.notna().all(axis=None)


def test_kinds_of_columns(patients):
    kinds = patients.clinical.dtypes
    assert tuple(patients.clinical) == COLUMNS
    assert kinds["age"] == np.int64
    assert kinds["anticoagulated"] == np.bool_
    for name in ("gcs", "nihss", "anti_xa"):
        assert kinds[name] == np.float64
    assert set(patients.clinical["sex"]) == {"female", "male"}
    assert set(patients.clinical["site"]) == set(SITES)
    assert set(patients.clinical["admission"].dropna()) == {"direct", "transfer", "in-hospital"}
    assert set(patients.pattern) == set(PATTERNS)
    assert list(patients.oracle) == ["image", "clinical", "both"]


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
def test_values_stay_in_range_on_their_step(patients, measure):
    values = patients.clinical[measure.name].dropna()
    assert values.between(measure.low, measure.high).all()
    np.testing.assert_allclose(values, np.round(values / measure.step) * measure.step)
    np.testing.assert_array_equal(values, np.round(values, 3))


def test_values_are_lost_by_chance_at_the_rate_of_the_site(patients):
    for site, power in zip(SITES, SITE_POWER, strict=True):
        here = patients.clinical["site"] == site
        rates = patients.clinical.loc[here, list(LOST_BY_CHANCE)].isna().mean()
        np.testing.assert_allclose(rates, 1 - 0.85**power, atol=0.025)
    rates = patients.clinical[list(LOST_BY_CHANCE)].isna().mean()
    np.testing.assert_allclose(rates, 0.15, atol=0.015)


def test_what_anatomy_and_scanner_depend_on_is_always_there(patients):
    for name in ("age", "sex", "site", "anticoagulated"):
        assert patients.clinical[name].notna().all()


def test_only_what_does_not_exist_is_missing_when_none_is_asked_for(complete):
    absent = complete.clinical.isna()
    assert not absent[[*LOST_BY_CHANCE, "osmolality"]].any(axis=None)
    assert absent["nihss"][complete.pattern == "diffuse"].all()
    assert absent["nihss"][complete.pattern == "none"].mean() == pytest.approx(0.5, abs=0.03)
    assert not absent["nihss"][np.isin(complete.pattern, ["infarct", "haemorrhage"])].any()
    pd.testing.assert_series_equal(
        absent["anti_xa"], ~complete.clinical["anticoagulated"], check_names=False
    )
    # Mackey et al. 2011: 14.3 % of ischaemic strokes were found on waking up
    assert absent["hours_since_onset"].mean() == pytest.approx(0.143, abs=0.01)


def test_osmolality_is_ordered_for_the_sick_and_with_edema(patients):
    absent = patients.clinical["osmolality"].isna()
    assert absent[patients.target == 0].mean() == pytest.approx(0.54, abs=0.03)
    assert absent[patients.target == 1].mean() == pytest.approx(0.24, abs=0.03)
    infarct = (patients.pattern == "infarct") & (patients.target == 0)
    gcs = patients.clinical["gcs"][infarct]
    assert gcs[absent[infarct]].mean() > gcs[~absent[infarct]].mean() + 0.3


def test_the_stroke_scale_is_not_scored_in_the_sickest(patients):
    stroke = np.isin(patients.pattern, ["infarct", "haemorrhage"])
    gcs = patients.clinical["gcs"][stroke]
    absent = patients.clinical["nihss"][stroke].isna()
    assert gcs[absent].mean() < gcs[~absent].mean() - 0.3


@pytest.mark.parametrize("name", ["age", "sex", "site", "platelets"])
def test_null_variables_do_not_differ_with_label_or_pattern(patients, name):
    values = patients.clinical[name]
    values = values if name in ("age", "platelets") else pd.Series(pd.factorize(values)[0])
    seen = values.notna()
    assert roc_auc_score(patients.target[seen], values[seen]) == pytest.approx(0.5, abs=0.017)
    for pattern in PATTERNS:
        here = patients.pattern[seen] == pattern
        assert roc_auc_score(here, values[seen]) == pytest.approx(0.5, abs=0.022)


def test_published_figures_of_haemorrhage_are_reproduced(complete):
    mild, grave = (group(complete, "haemorrhage", y) for y in (0, 1))
    # Lv et al. 2021
    assert mild["gcs"].median() == pytest.approx(14, abs=1)
    assert grave["gcs"].median() == pytest.approx(10, abs=1)
    assert mild["systolic_bp"].mean() == pytest.approx(167.5, abs=3)
    assert grave["systolic_bp"].mean() == pytest.approx(176.6, abs=3)
    assert mild["systolic_bp"].std() == pytest.approx(26, abs=2)
    everyone = group(complete, "haemorrhage")
    # Dusenbury et al. 2023; Inohara et al. 2018
    assert everyone["nihss"].median() == pytest.approx(8, abs=1.5)
    assert everyone["nihss"].corr(everyone["gcs"], method="spearman") == pytest.approx(
        -0.773, abs=0.1
    )
    assert everyone["anticoagulated"].mean() == pytest.approx(0.106 + 0.035, abs=0.02)


def test_published_figures_of_infarcts_are_reproduced(complete):
    everyone = group(complete, "infarct")
    # Mallavarapu et al. 2025; Kharitonova et al. 2009
    np.testing.assert_allclose(everyone["nihss"].quantile([0.25, 0.5, 0.75]), [5, 11, 19], atol=1.5)
    assert everyone["systolic_bp"].mean() == pytest.approx(148, abs=2)
    assert everyone["glucose"].mean() == pytest.approx(7.1, abs=0.3)
    assert 2.4 < everyone["glucose"].std() < 3.1
    # Bhalla et al. 2000
    assert group(complete, "infarct", 0)["osmolality"].mean() == pytest.approx(293.1, abs=1)
    assert group(complete, "infarct", 1)["osmolality"].mean() == pytest.approx(300.0, abs=1)


def test_published_figures_of_diffuse_swelling_are_reproduced(complete):
    # Liotta et al. 2018
    assert group(complete, "diffuse")["sodium"].median() == pytest.approx(137, abs=1)


def test_an_infarct_takes_up_water_with_time(complete):
    for y in (0, 1):
        here = (complete.pattern == "infarct") & (complete.target == y)
        hours = np.log(complete.clinical["hours_since_onset"][here])
        seen = hours.notna().to_numpy()
        assert np.corrcoef(hours[seen], complete.severity[here][seen])[0, 1] == pytest.approx(
            0.74, abs=0.05
        )


def test_how_ill_a_patient_is_makes_variables_agree(complete):
    for y in (0, 1):
        rows = group(complete, "infarct", y)
        assert rows["gcs"].corr(rows["nihss"]) < -0.3
        assert rows["glucose"].corr(rows["osmolality"]) == pytest.approx(0.2, abs=0.06)
