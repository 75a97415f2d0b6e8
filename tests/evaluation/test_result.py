from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, average_precision_score, brier_score_loss, roc_auc_score
from sklearn.model_selection import (
    LeaveOneOut,
    StratifiedShuffleSplit,
)

from skedema.evaluation import evaluate
from skedema.evaluation.intervals import auc_interval
from skedema.evaluation.metrics import METRICS, net_benefit
from skedema.evaluation.statistics import delong_test, holm

from ._cohort import MODELS, PATIENTS, SITE, N, OfNumbers, OnColumn, X, Y, arrays

SHARES = [
    *("roc_auc", "average_precision", "accuracy", "balanced_accuracy", "precision", "recall"),
    *("specificity", "f1", "sensitivity_at_specificity"),
]


class OfSodium(OfNumbers):
    """Knows the answer."""

    def predict_proba(self, X):
        p = np.where(X["sodium"] > 0.2, 0.9, 0.1)
        return np.column_stack([1 - p, p])

    def predict(self, X):
        return self.predict_proba(X)[:, 1] > 0.5


@pytest.fixture(scope="module")
def grouped():
    return evaluate(MODELS, X, Y, cv=4, groups=PATIENTS, random_state=0)


def auc_by_pairs(label, probability):
    difference = probability[label == 1][:, None] - probability[label == 0]
    return ((difference > 0) + (difference == 0) / 2).mean()


def test_folds_have_the_figures_of_their_predictions(result):
    assert len(result.per_fold) == 3 * 6
    assert set(METRICS) <= set(result.per_fold.columns)
    for _, row in result.per_fold.iterrows():
        keys = ["estimator", "repeat", "fold"]
        part = result.predictions[(result.predictions[keys] == row[keys]).all(axis=1)]
        assert row["n_test"] == len(part) == N / 3
        assert row["n_train"] == 2 * N / 3
        assert row["roc_auc"] == roc_auc_score(part["label"], part["probability"])
        assert row["accuracy"] == accuracy_score(part["label"], part["predicted"])
        assert row["fit_seconds"] > 0


def test_pooled_figures_are_means_over_repeats_of_all_rows(result):
    table = result.summary(n_resamples=20).set_index(["estimator", "metric"])
    for name in MODELS:
        aucs = [roc_auc_score(Y, each) for each in arrays(result, name)]
        briers = [brier_score_loss(Y, each) for each in arrays(result, name)]
        assert table.loc[(name, "roc_auc"), "pooled"] == pytest.approx(np.mean(aucs))
        assert table.loc[(name, "brier"), "pooled"] == pytest.approx(np.mean(briers))
    folds = result.per_fold.groupby("estimator")["roc_auc"]
    assert table.loc[("good", "roc_auc"), "fold_mean"] == pytest.approx(folds.mean()["good"])
    assert table.loc[("good", "roc_auc"), "fold_sd"] == pytest.approx(folds.std()["good"])
    assert len(table) == 3 * len(METRICS)


@pytest.mark.parametrize("which", ["result", "grouped"])
def test_interval_is_that_of_drawing_patients_and_taking_their_rows(which, request):
    """Draw patients by hand, another time, and compare what comes out."""
    found = request.getfixturevalue(which)
    patients = found.groups
    rows_of = [np.flatnonzero(patients == each) for each in np.unique(patients)]
    rng = np.random.default_rng(5)
    probabilities, label = arrays(found, "good"), Y.to_numpy()
    draws = []
    for _ in range(1500):
        rows = np.concatenate([rows_of[i] for i in rng.integers(len(rows_of), size=len(rows_of))])
        drawn = [average_precision_score(label[rows], p[rows]) for p in probabilities]
        draws.append(np.mean(drawn))
    table = found.summary(["average_precision"], n_resamples=4000).set_index("estimator")
    low, high = table.loc["good", ["low", "high"]]
    np.testing.assert_allclose([low, high], np.quantile(draws, [0.025, 0.975]), atol=0.02)
    assert low < table.loc["good", "pooled"] < high


def test_intervals_of_proportions_and_aucs_are_the_published_ones(result, grouped):
    summary = result.summary(n_resamples=20).set_index(["estimator", "metric"])
    row = summary.loc[("prevalence", "accuracy")]  # the same in both repeats
    wanted = stats.binomtest(round(row["pooled"] * N), N).proportion_ci(method="wilson")
    np.testing.assert_allclose(row[["low", "high"]].astype(float), [wanted.low, wanted.high])
    found = summary.loc[("good", "roc_auc"), ["low", "high"]]
    assert tuple(found) == auc_interval(Y, arrays(result, "good"))
    of_patients = grouped.summary(["roc_auc"]).set_index("estimator").loc["good", ["low", "high"]]
    assert tuple(of_patients) == auc_interval(Y, arrays(grouped, "good"), groups=PATIENTS)


def test_where_all_are_right_others_may_be_wrong():
    known = {"cv": 3, "random_state": 0, "trusted_columns": ["sodium"]}
    result = evaluate({"sure": OfSodium()}, X, X["sodium"] > 0.2, **known)
    for table in (
        result.summary(n_resamples=50),
        result.per_class(n_resamples=50),
        result.subgroups(SITE, metrics=METRICS, n_resamples=50),
    ):
        shares = table[table["metric"].isin(SHARES)]
        assert (shares["pooled"] == 1).all()
        assert (shares["high"] == 1).all()
        assert shares["low"].between(0.5, 0.99).all()
    few = result.subgroups(np.arange(N) % 9, metrics=SHARES).set_index("metric")
    whole = result.summary(SHARES).set_index("metric")
    for name in SHARES:
        assert (few.loc[name, "low"] < whole.loc[name, "low"]).all()


def test_more_confidence_is_a_wider_interval_and_equal_seeds_equal_tables(result):
    narrow = result.summary(["brier"], n_resamples=200, confidence=0.8)
    wide = result.summary(["brier"], n_resamples=200, confidence=0.99)
    assert ((wide["high"] - wide["low"]) > (narrow["high"] - narrow["low"])).all()
    pd.testing.assert_frame_equal(wide, result.summary(["brier"], n_resamples=200, confidence=0.99))


def test_figures_that_are_never_defined_are_nan_in_the_table(result):
    table = result.summary(["precision", "calibration_slope"], n_resamples=50)
    row = table[(table["estimator"] == "prevalence") & (table["metric"] == "precision")]
    always = result.predictions.query("estimator == 'prevalence'")["predicted"]
    assert (always == 0).all()
    assert row[["pooled", "low", "high", "fold_mean", "fold_sd"]].isna().all(axis=None)
    assert row["n_folds"].item() == 0


def test_differences_are_paired(result):
    table = result.compare("bad", n_resamples=2000).set_index("estimator")
    assert list(table.index) == ["good", "prevalence"]
    good, bad = arrays(result, "good"), arrays(result, "bad")
    row = table.loc["good"]
    wanted = np.mean([roc_auc_score(Y, g) - roc_auc_score(Y, b) for g, b in zip(good, bad)])  # noqa: B905
    assert row["difference"] == pytest.approx(wanted)
    rng, label, draws = np.random.default_rng(3), Y.to_numpy(), []
    for _ in range(1500):
        rows = rng.integers(N, size=N)
        aucs = [[auc_by_pairs(label[rows], p[rows]) for p in each] for each in (good, bad)]
        draws.append(np.mean(aucs[0]) - np.mean(aucs[1]))
    np.testing.assert_allclose(
        row[["low", "high"]].astype(float), np.quantile(draws, [0.025, 0.975]), atol=0.02
    )
    back = result.compare("good").set_index("estimator").loc["bad"]
    assert back["difference"] == pytest.approx(-row["difference"])
    assert back["low"] == pytest.approx(-row["high"])


def test_two_that_are_right_of_all_may_still_differ():
    models = {"sure": OfSodium(), "as sure": OfSodium(), "good": OnColumn(0)}
    known = {"cv": 3, "random_state": 0, "trusted_columns": ["sodium"]}
    result = evaluate(models, X, X["sodium"] > 0.2, **known)
    row = result.compare("sure", "recall").set_index("estimator").loc["as sure"]
    recall = result.summary(["recall"]).set_index("estimator").loc["sure"]
    assert row["difference"] == 0
    assert row["high"] == -row["low"] == pytest.approx(1 - recall["low"])
    same = evaluate({"a": OnColumn(0), "b": OnColumn(0)}, X, Y, cv=3, random_state=0)
    row = same.compare("a", "accuracy").iloc[0]  # the same errors, not only as many
    assert row["low"] == -row["high"]
    assert row["high"] < 0.03


def test_p_values_are_those_of_delong_and_of_the_corrected_t(result):
    table = result.compare("bad", n_resamples=20).set_index("estimator")
    row = table.loc["good"]
    wanted = delong_test(Y, arrays(result, "good"), arrays(result, "bad")).p_value
    assert row["delong_p"] == wanted
    by_fold = result.per_fold.pivot(index=["repeat", "fold"], columns="estimator", values="roc_auc")
    difference = by_fold["good"] - by_fold["bad"]
    t = difference.mean() / np.sqrt((1 / 6 + 1 / 2) * difference.var())
    assert row["fold_difference"] == pytest.approx(difference.mean())
    assert row["fold_p"] == pytest.approx(2 * stats.t.sf(abs(t), 5))
    for column in ("delong_p", "fold_p"):
        np.testing.assert_array_equal(table[f"{column}_holm"], holm(table[column]))
    assert (table["n_comparisons"] == 2).all()


def test_groups_widen_what_delong_says(grouped):
    p = grouped.compare("bad", n_resamples=20).set_index("estimator").loc["good", "delong_p"]
    label = Y.to_numpy()
    first, second = arrays(grouped, "good"), arrays(grouped, "bad")
    assert p == delong_test(label, first, second, groups=PATIENTS).p_value
    assert p != delong_test(label, first, second).p_value


def test_other_metrics_have_no_delong(result):
    table = result.compare("good", "brier", n_resamples=20)
    assert table["delong_p"].isna().all()
    assert table["fold_p"].notna().all()
    assert (table["difference"] > 0).all()


def test_repeats_on_other_rows_have_no_delong():
    cv = StratifiedShuffleSplit(4, test_size=0.3, random_state=0)
    found = evaluate(MODELS, X, Y, cv=cv).compare("good", n_resamples=50)
    assert found["delong_p"].isna().all()
    assert found[["difference", "low", "high", "fold_p"]].notna().all(axis=None)


def test_leaving_one_out_has_pooled_figures_and_no_auc_of_folds():
    result = evaluate({"good": OnColumn(0)}, X[:40], Y[:40], cv=LeaveOneOut())
    row = result.summary(["roc_auc"], n_resamples=100).iloc[0]
    assert row["pooled"] > 0.5
    assert row["n_folds"] == 0
    assert np.isnan(row["fold_mean"])


def test_comparison_errors_are_named(result):
    with pytest.raises(ValueError, match="Did you mean 'good'"):
        result.compare("god")
    with pytest.raises(ValueError, match="no metric 'auc'"):
        result.compare("good", "auc")
    with pytest.raises(ValueError, match="nothing to compare"):
        evaluate({"good": OnColumn(0)}, X, Y, cv=2).compare("good")


def test_decision_curve_is_the_net_benefit(result):
    table = result.decision_curve([0.1, 0.3])
    assert list(table.columns) == [*MODELS, "treat all", "treat none"]
    wanted = np.mean([net_benefit(Y, p, 0.3) for p in arrays(result, "good")])
    assert table.loc[0.3, "good"] == pytest.approx(wanted)
    assert table.loc[0.1, "treat all"] == pytest.approx(Y.mean() - (1 - Y.mean()) / 9)
    assert (table["treat none"] == 0).all()
