from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score, roc_curve

from skedema.evaluation.displays import RocCurveDisplay

from ._drawn import EDEMA, KIND, X, legend, line, of


def test_line_is_the_curve_of_scikit_learn(once):
    display = once.metrics.roc(n_resamples=50).plot()
    for name in once.names:
        label, probability = of(once, name, "edema")
        fpr, tpr, threshold = roc_curve(label, probability)
        np.testing.assert_array_equal(line(display.ax_, name), [fpr, tpr])
        frame = display.frame().query("estimator == @name and line == 'curve'")
        np.testing.assert_array_equal(frame["threshold"], threshold)
    assert display.figure_ is display.ax_.figure
    assert display.ax_.get_title() == "positive class 'edema'"


def test_areas_and_intervals_are_those_of_the_summary(once):
    display = once.metrics.roc(n_resamples=200)
    summary = once.summary(["roc_auc"], n_resamples=200)
    np.testing.assert_array_equal(
        display.scores[["value", "low", "high"]], summary[["pooled", "low", "high"]]
    )
    texts = legend(display.plot().ax_)
    for row in summary.itertuples():
        text = f"{row.estimator}: AUC {row.pooled:.2f} ({row.low:.2f} to {row.high:.2f})"
        assert text in texts
        assert f"{row.estimator} {row.pooled:.2f}" in display.description


def test_of_repeats_it_is_the_mean_of_their_curves(twice):
    drawn = line(twice.metrics.roc(n_resamples=5).plot().ax_, "strong")
    grid = np.linspace(0, 1, 101)
    table = twice.predictions.query("estimator == 'strong'")
    curves = [
        np.interp(grid, *roc_curve(part["label"] == "edema", part["probability"])[:2])
        for _, part in table.groupby("repeat")
    ]
    assert len(curves) == 2
    np.testing.assert_allclose(drawn, [grid, np.mean(curves, axis=0)])


def test_band_is_the_spread_of_the_curves_of_other_patients(once):
    """Draw patients by hand, another time, and compare what comes out."""
    label, probability = of(once, "strong", "edema")
    rng = np.random.default_rng(1)
    at = 0.3
    drawn = []
    for _ in range(1500):
        rows = rng.integers(len(label), size=len(label))
        drawn.append(np.interp(at, *roc_curve(label[rows], probability[rows])[:2]))
    frame = once.metrics.roc(n_resamples=3000).frame().query("estimator == 'strong'")
    frame = frame[np.isclose(frame["fpr"], at)].set_index("line")["tpr"]
    np.testing.assert_allclose(
        frame[["low", "high"]], np.quantile(drawn, [0.025, 0.975]), atol=0.025
    )


def test_band_is_drawn_of_up_to_two_curves(once):
    display = once.metrics.roc(n_resamples=20)
    assert len(display.plot().ax_.collections) == 2
    assert len(display.plot(band=False).ax_.collections) == 0


def test_each_of_more_classes_is_against_the_rest(kinds):
    display = kinds.metrics.roc(n_resamples=20).plot()
    assert [ax.get_title() for ax in display.ax_] == [
        f"class {name!r} against the rest" for name in ("mild", "none", "severe")
    ]
    for ax, name in zip(display.ax_, kinds.classes, strict=True):
        label, probability = of(kinds, "weak", name)
        np.testing.assert_array_equal(line(ax, "weak"), roc_curve(label, probability)[:2])
    one = kinds.metrics.roc(pos_label="severe", n_resamples=20).plot()
    assert one.ax_.get_title() == "class 'severe' against the rest"
    with pytest.raises(ValueError, match="pos_label='sever' is none of the classes"):
        kinds.metrics.roc(pos_label="sever")


def test_estimator_and_its_predictions_draw_the_same():
    model = LogisticRegression().fit(X, EDEMA)
    probability = model.predict_proba(X)[:, 0]
    options = {"pos_label": "edema", "n_resamples": 30, "name": "logistic"}
    display = RocCurveDisplay.from_estimator(model, X, EDEMA, **options)
    same = RocCurveDisplay.from_predictions(EDEMA, probability, **options)
    pd.testing.assert_frame_equal(display.frame(), same.frame())
    assert display.scores["value"][0] == pytest.approx(roc_auc_score(EDEMA == "edema", probability))
    several = LogisticRegression().fit(X, KIND)
    pd.testing.assert_frame_equal(
        RocCurveDisplay.from_estimator(several, X, KIND, n_resamples=5, name="a").frame(),
        RocCurveDisplay.from_predictions(
            KIND, several.predict_proba(X), n_resamples=5, name="a"
        ).frame(),
    )


def test_patients_are_drawn_whole():
    """Each row twice, as of one patient: the intervals of half as many rows."""
    model = LogisticRegression().fit(X, EDEMA)
    twice, labels = np.repeat(X, 2, axis=0), np.repeat(EDEMA, 2)
    patient = np.repeat(np.arange(len(X)), 2)
    one = RocCurveDisplay.from_estimator(model, X, EDEMA, n_resamples=300)
    two = RocCurveDisplay.from_estimator(model, twice, labels, groups=patient, n_resamples=300)
    np.testing.assert_allclose(one.scores[["low", "high"]], two.scores[["low", "high"]])


def test_axes_are_as_many_as_panels(kinds):
    import matplotlib.pyplot as plt

    display = kinds.metrics.roc(n_resamples=5)
    _, axes = plt.subplots(1, 3)
    assert display.plot(axes).ax_[2] is axes[2]
    with pytest.raises(ValueError, match="has 3 panels, but ax holds 1"):
        display.plot(axes[0])


def test_groups_are_one_a_row():
    with pytest.raises(ValueError, match=r"groups has shape \(2,\), but there are 4 rows"):
        RocCurveDisplay.from_predictions([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4], groups=[1, 2])
