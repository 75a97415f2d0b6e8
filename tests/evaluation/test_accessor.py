from __future__ import annotations

import pandas as pd
import pytest

from skedema.evaluation import Metric, register_metric
from skedema.evaluation.metrics import METRICS

from ._cohort import MODELS


def test_summary_is_that_of_the_evaluation(result):
    frame = result.metrics.summarize(metric=["roc_auc", "brier"], n_resamples=50).frame()
    table = result.summary(["roc_auc", "brier"], n_resamples=50)
    assert frame["label"].tolist() == table["estimator"].tolist()
    assert frame["panel"].tolist() == ["AUC", "Brier score"] * len(MODELS)
    pd.testing.assert_frame_equal(
        frame[["value", "low", "high"]],
        table[["pooled", "low", "high"]].set_axis(["value", "low", "high"], axis=1),
        check_names=False,
    )


def test_summary_without_names_holds_the_metrics_of_the_evaluation(result):
    assert result.metric_names == METRICS
    assert result.metrics.summarize(n_resamples=5).frame()["panel"].nunique() == len(METRICS)


def test_available_lists_own_and_registered_metrics(result):
    before = result.metrics.available()
    assert before[: len(METRICS)] == list(METRICS)
    register_metric(Metric("alarms", lambda label, probability, predicted, weight: 0.0))
    assert set(result.metrics.available()) - set(before) == {"alarms"}
    assert "summarize" in repr(result.metrics)


def test_timings_are_means_over_fits(result):
    table = result.metrics.timings()
    of_good = result.folds.query("estimator == 'good'")
    mean = of_good["fit_seconds"].mean()
    assert table.loc[("good", "Fit time (s)"), "mean"] == pytest.approx(mean)
    spread = of_good["predict_seconds"].std()
    assert table.loc[("good", "Predict time (s)"), "std"] == pytest.approx(spread)
    assert table.index.get_level_values(0).unique().tolist() == result.names


def test_forest_without_a_reference_is_the_summary(result):
    frame = result.metrics.forest(n_resamples=20).frame()
    summary = result.metrics.summarize(metric="roc_auc", n_resamples=20).frame()
    pd.testing.assert_frame_equal(frame, summary)
