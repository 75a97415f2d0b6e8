from __future__ import annotations

import numpy as np
import pytest

from skedema import AttentionMixerClassifier
from skedema.evaluation import evaluate
from skedema.inspection import AttentionDisplay


def test_means_are_those_of_the_classifier(mixer, gaps, patients):
    table, labels = gaps[1::2], patients[1][1::2]
    display = AttentionDisplay.from_estimator(mixer, table, labels)
    weights, frame = mixer.attention(table), display.frame()
    of_all = frame[frame["class"].isna()].set_index("variable")
    np.testing.assert_allclose(of_all["mean"], weights.mean().loc[of_all.index])
    np.testing.assert_allclose(of_all["low"], weights.quantile(0.25).loc[of_all.index])
    edema = frame[frame["class"] == "edema"].set_index("variable")
    chosen = weights[labels == "edema"]
    np.testing.assert_allclose(edema["mean"], chosen.mean().loc[edema.index])
    assert of_all.loc["sodium", "n_missing"] == table["sodium"].isna().sum()
    assert of_all["mean"].is_monotonic_decreasing


def test_figure_shows_the_classes_and_says_it_is_no_explanation(mixer, gaps, patients):
    table = gaps[1::2]
    display = AttentionDisplay.from_estimator(mixer, table, patients[1][1::2]).plot()
    assert len(display.ax_.containers) == 2
    frame = display.frame()
    first = frame[frame["class"] == "edema"]["mean"]
    np.testing.assert_allclose(display.ax_.containers[0].lines[0].get_xdata(orig=False), first)
    assert "not why" in display.ax_.get_title()
    labels = [tick.get_text() for tick in display.ax_.get_yticklabels()]
    assert any(text.startswith("sodium (") and "missing" in text for text in labels)
    alone = AttentionDisplay.from_estimator(mixer, table).plot()
    assert len(alone.ax_.containers) == 1


def test_out_of_fold(patients, gaps):
    clf = AttentionMixerClassifier(max_epochs=1, n_members=1, random_state=0)
    result = evaluate({"mixer": clf}, gaps, patients[1], cv=2, random_state=0)
    frame = result.inspection.attention().frame()
    models = result.inspection.fold_models()
    found = sum(
        len(model.rows) * model.estimator.attention(gaps.iloc[model.rows])["age"].mean()
        for model in models
    )
    row = frame[frame["class"].isna() & (frame["variable"] == "age")].iloc[0]
    assert row["mean"] == pytest.approx(found / 120)
    assert row["n"] == 120
    assert row["n_missing"] == gaps["age"].isna().sum()


def test_class_may_have_any_name(mixer, gaps, patients):
    labels = np.where(patients[1] == "edema", "all", "none")
    frame = AttentionDisplay.from_estimator(mixer, gaps, labels).frame()
    assert frame[frame["class"].isna()]["n"].eq(120).all()
    assert frame[frame["class"] == "all"]["n"].eq((labels == "all").sum()).all()
