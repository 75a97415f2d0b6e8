from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from skedema.evaluation import evaluate
from skedema.evaluation.metrics import METRICS

from ._cohort import MODELS, SITE, N, X, Y, arrays


def test_subgroups_have_their_sizes_and_figures(result):
    table = result.subgroups("site", n_resamples=50)
    assert len(table) == 3 * 3 * 4
    for site in "ABC":
        mine = site == SITE
        rows = table[(table["subgroup"] == site) & (table["estimator"] == "good")]
        assert (rows["n_rows"] == mine.sum()).all()
        assert (rows["n_positive"] == Y[mine].sum()).all()
        auc = rows.set_index("metric").loc["roc_auc"]
        wanted = np.mean([roc_auc_score(Y[mine], p[mine]) for p in arrays(result, "good")])
        assert auc["pooled"] == pytest.approx(wanted)
        assert auc["low"] <= auc["pooled"] <= auc["high"]


def test_all_patients_in_one_subgroup_are_the_summary(result):
    whole = result.subgroups(np.ones(N), metrics=METRICS, n_resamples=100)
    summary = result.summary(n_resamples=100)
    for column in ("pooled", "low", "high"):
        np.testing.assert_array_equal(whole[column], summary[column])


def test_ages_fall_into_bands(result):
    table = result.subgroups("age", bins=[40, 50, 60, np.inf], n_resamples=20)
    assert table["subgroup"].unique().tolist() == ["[40, 50)", "[50, 60)", "[60, inf)"]
    sizes = table.groupby("subgroup")["n_rows"].first()
    assert sizes["[40, 50)"] == ((X["age"] >= 40) & (X["age"] < 50)).sum()
    assert sizes.sum() == N
    with pytest.raises(ValueError, match=r"lie outside of the bins.*-np.inf"):
        result.subgroups("age", bins=[40, 50])
    with pytest.raises(ValueError, match="that increase"):
        result.subgroups("age", bins=[50, 40])


def test_small_and_one_sided_subgroups_say_so(result):
    by = np.where(np.arange(N) < 5, "few", np.where(Y == 1, "ill", "well")).astype(object)
    by[-1] = None
    table = result.subgroups(by, n_resamples=20)
    few = table[table["subgroup"] == "few"]
    assert (few["n_patients"] == 5).all()
    assert few[["pooled", "low", "high"]].isna().all(axis=None)
    assert (few["note"] == "fewer than 10 patients: no figures").all()
    ill = table[(table["subgroup"] == "ill") & (table["estimator"] == "good")]
    ill = ill.set_index("metric")
    assert np.isnan(ill.loc["roc_auc", "pooled"])
    assert np.isfinite(ill.loc[["recall", "brier"], ["pooled", "low", "high"]]).all(axis=None)
    assert ill["note"].str.startswith("one class only").all()
    assert table["subgroup"].iloc[-1] == "missing"


def test_subgroup_errors_are_named(result):
    with pytest.raises(ValueError, match="Did you mean 'site'"):
        result.subgroups("sites")
    with pytest.raises(ValueError, match="one value a row"):
        result.subgroups([1, 2])


def test_columns_of_the_table_can_be_subgroups():
    result = evaluate(MODELS, X, Y, cv=2, subgroups=["age"])
    np.testing.assert_array_equal(result.covariates["age"], X["age"])
