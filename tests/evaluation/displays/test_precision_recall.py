from __future__ import annotations

import numpy as np
from sklearn.metrics import precision_recall_curve

from ._drawn import EDEMA, line, of


def test_line_is_the_curve_of_scikit_learn(once):
    display = once.metrics.precision_recall(n_resamples=50).plot()
    for name in once.names:
        precision, recall, _ = precision_recall_curve(*of(once, name, "edema"))
        np.testing.assert_array_equal(line(display.ax_, name), [recall, precision])
    summary = once.summary(["average_precision"], n_resamples=50)
    np.testing.assert_array_equal(
        display.scores[["value", "low", "high"]], summary[["pooled", "low", "high"]]
    )


def test_prevalence_is_a_line(once, kinds):
    share = (EDEMA == "edema").mean()
    ax = once.metrics.precision_recall(n_resamples=5).plot().ax_
    np.testing.assert_allclose(line(ax, "prevalence"), [[0, 1], [share, share]])
    for ax, name in zip(
        kinds.metrics.precision_recall(n_resamples=5).plot().ax_, kinds.classes, strict=True
    ):
        share = (kinds.predictions["label"] == name).mean()
        np.testing.assert_allclose(line(ax, "prevalence")[1], share)


def test_of_repeats_it_is_the_mean_at_each_recall(twice):
    recall, drawn = line(twice.metrics.precision_recall(n_resamples=5).plot().ax_, "weak")
    wanted = []
    for _, part in twice.predictions.query("estimator == 'weak'").groupby("repeat"):
        label = (part["label"] == "edema").to_numpy()
        order = np.argsort(-part["probability"].to_numpy())
        true = label[order].cumsum()
        called = np.arange(1, len(label) + 1)
        first = [np.flatnonzero(true >= r * true[-1] - 1e-9)[0] for r in recall]
        wanted.append((true / called)[first])
    np.testing.assert_allclose(drawn, np.mean(wanted, axis=0))


def test_band_holds_the_curve(once):
    frame = once.metrics.precision_recall(n_resamples=500).frame()
    frame = frame.query("estimator == 'strong' and line != 'curve' and recall > 0.3")
    band = frame.pivot(index="recall", columns="line", values="precision")
    precision, recall, _ = precision_recall_curve(*of(once, "strong", "edema"))
    middle = [precision[recall >= at - 1e-9][-1] for at in band.index]
    inside = (band["low"] <= middle) & (middle <= band["high"])
    assert inside.mean() > 0.95
