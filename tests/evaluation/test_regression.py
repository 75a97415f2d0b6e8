"""Regressors compared on the same folds: what is asked of numbers, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.model_selection import KFold

from skedema._strata import strata_of
from skedema.evaluation import Metric, evaluate, register_metric, validate

from ._numbers import LEVELS, N, WithQuantiles, X, Y

MODELS = {"linear": WithQuantiles(), "mean": DummyRegressor()}


@pytest.fixture(scope="module")
def result():
    parts = {"half": np.where(np.arange(N) < 60, "first", "second")}
    new = X[:30].add(0.01), Y[:30]
    return evaluate(MODELS, X, Y, random_state=0, subgroups=parts, test=new)


def test_predictions_are_out_of_fold_with_what_was_observed(result):
    table = result.predictions
    names = ["estimator", "repeat", "fold", "row", "observed", "predicted"]
    assert list(table) == [*names, *(f"quantile_{level:g}" for level in LEVELS)]
    linear = table[table["estimator"] == "linear"].set_index("row").sort_index()
    assert linear["observed"].tolist() == Y.tolist()
    fold = linear["fold"] == 0
    alone = LinearRegression().fit(X[~fold.to_numpy()], Y[~fold.to_numpy()])
    np.testing.assert_allclose(linear["predicted"][fold], alone.predict(X[fold.to_numpy()]))
    assert table.loc[table["estimator"] == "mean", "quantile_0.5"].isna().all()
    assert "numbers" in repr(result)
    assert (result.classes, result.quantiles) == ((), LEVELS)


def test_folds_hold_the_small_and_the_large(result):
    rows = result.predictions[result.predictions["estimator"] == "mean"]
    strata = strata_of(Y)
    for _, part in rows.groupby("fold"):
        assert set(np.bincount(strata[part["row"]], minlength=10)) <= {2, 3}
    own = evaluate({"mean": DummyRegressor()}, X, Y, cv=KFold(3), random_state=0)
    first = own.predictions.query("fold == 0")["row"]
    assert first.tolist() == list(range(40))


def test_figures_have_intervals_and_are_nan_without_quantiles(result):
    summary = result.summary(n_resamples=200).set_index(["estimator", "metric"])
    linear = summary.loc["linear"]
    table = result.predictions[result.predictions["estimator"] == "linear"]
    mae = mean_absolute_error(table["observed"], table["predicted"])
    assert linear.loc["mae", "pooled"] == pytest.approx(mae)
    r2 = r2_score(table["observed"], table["predicted"])
    assert linear.loc["r2", "pooled"] == pytest.approx(r2)
    inside = linear[linear.index != "width"]
    assert ((inside["low"] < inside["pooled"]) & (inside["pooled"] < inside["high"])).all()
    assert linear.loc["coverage", "pooled"] == pytest.approx(0.8, abs=0.1)
    assert linear.loc["coverage_error", "pooled"] == pytest.approx(
        linear.loc["coverage", "pooled"] - 0.8
    )
    without = ["coverage", "coverage_error", "width", "pinball"]
    assert summary.loc["mean"].loc[without, "pooled"].isna().all()
    assert linear["n_folds"].tolist() == [5] * len(linear)


def test_models_are_compared_on_the_same_patients(result):
    (row,) = result.compare("mean", n_resamples=200).to_dict("records")
    assert row["metric"] == "mae"
    assert row["high"] < 0
    assert not row["greater_is_better"]
    assert row["fold_p"] < 0.05
    assert np.isnan(row["delong_p"])


def test_parts_and_other_patients_have_the_same_figures(result):
    parts = result.subgroups("half", n_resamples=50)
    assert parts["metric"].unique().tolist() == ["mae", "rmse", "r2", "coverage"]
    assert "n_positive" not in parts
    other = result.external
    assert repr(other).startswith("<Evaluation of 2 estimators: external, 30 rows")
    fitted = WithQuantiles().fit(X, Y)
    again = validate({"linear": fitted}, X[:30].add(0.01), Y[:30], random_state=0)
    assert again.quantiles == LEVELS
    figure = again.summary(["mae"], n_resamples=20)["pooled"][0]
    expected = other.summary(["mae"], n_resamples=20)["pooled"][0]
    assert figure == pytest.approx(expected)


def test_rows_of_one_patient_stay_together(result):
    patient = np.repeat(np.arange(N // 2), 2)
    twice = X.iloc[np.repeat(np.arange(0, N, 2), 2)].reset_index(drop=True)
    y = Y.iloc[np.repeat(np.arange(0, N, 2), 2)].reset_index(drop=True)
    grouped = evaluate({"linear": WithQuantiles()}, twice, y, groups=patient, random_state=0)
    once = evaluate({"linear": WithQuantiles()}, X[::2], Y[::2], random_state=0)
    wide, narrow = (each.summary(["coverage"], n_resamples=20).iloc[0] for each in (grouped, once))
    assert wide["high"] - wide["low"] > 0.8 * (narrow["high"] - narrow["low"])
    assert not grouped.metrics.bland_altman(n_resamples=50).frame()["bias_low"].isna().any()


def test_what_is_kept_is_taken_again(tmp_path, result):
    how = {"storage": tmp_path, "random_state": 0, "return_estimator": False}
    first = evaluate(MODELS, X, Y, **how)
    again = evaluate(MODELS, X, Y, **how)
    pd.testing.assert_frame_equal(first.predictions, again.predictions)
    pd.testing.assert_frame_equal(first.predictions, result.predictions)
    assert (again.folds["fit_seconds"] == first.folds["fit_seconds"]).all()


def test_scorers_and_metrics_of_ones_own_are_taken(result):
    def over(label, probability, predicted, weight):
        return weight @ (predicted > label) / weight.sum()

    register_metric(Metric("over", over, macro=False, target="numbers"))
    table = result.summary(["over", "neg_mean_absolute_error", "mae"], n_resamples=20)
    found = table[table["estimator"] == "linear"].set_index("metric")["pooled"]
    assert 0.3 < found["over"] < 0.7
    assert found["neg_mean_absolute_error"] == pytest.approx(-found["mae"])
    assert "over" in result.metrics.available()
    assert "roc_auc" not in result.metrics.available()


class OtherLevels(WithQuantiles):
    quantiles = (0.25, 0.5, 0.75)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: r.per_class(), "per_class is for classes"),
        (lambda r: r.confusion_matrix(), "confusion_matrix is for classes"),
        (lambda r: r.decision_curve([0.1]), "decision_curve is for classes"),
        (lambda r: r.metrics.roc(), "RocCurveDisplay is for classes"),
        (lambda r: r.table(["roc_auc"]), "'roc_auc' is of classes, and this is of numbers. Of"),
        (lambda r: r.table(["accuracy_score"]), "no metric 'accuracy_score'"),
        (lambda r: r.table(["average_precision"]), "is of classes"),
        (lambda r: evaluate(MODELS, X, Y, pos_label=1), "pos_label=1 is for classes"),
        (lambda r: evaluate(MODELS, X, Y.astype(str) + "x"), "regressors need numbers"),
        (lambda r: evaluate(MODELS, X, Y * 0), "y is 0 in all rows"),
        (
            lambda r: evaluate(MODELS | {"other": OtherLevels()}, X, Y),
            "predict different quantiles",
        ),
        (lambda r: evaluate({"c": LogisticRegression()}, X, Y), "Give regressors, or make classes"),
    ],
)
def test_what_is_of_classes_is_refused(result, call, message):
    with pytest.raises(ValueError, match=message):
        call(result)


def test_classifiers_do_not_stand_beside_regressors():
    with pytest.raises(TypeError, match="'linear', 'mean' predict numbers, and the others classes"):
        evaluate(MODELS | {"c": LogisticRegression()}, X, Y)


def test_the_report_has_what_there_is_of_numbers(result, tmp_path):
    pytest.importorskip("matplotlib")
    sections = ["summary", "cohort", "performance", "comparison", "subgroups", "missingness"]
    more = ["external", "gallery", "importance", "methods", "model_card"]
    page = result.report(tmp_path / "r.html", sections=[*sections, *more], n_resamples=30)
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    shown = ["MAE out of fold", "Bland and Altman", "Calibration of quantiles", "slope"]
    for expected in [*shown, "Growth of MAE when permuted"]:
        assert expected in text
    assert "A number, and quantiles of it" in text
    assert "This is told of classes, and numbers are predicted" in text
    assert page is not None
