"""skore's reports take the classifier as it is: nothing of skedema knows of skore."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from skedema import AttentionMixerClassifier, VolumeReader
from skedema.encoders import CNN
from skedema.evaluation import evaluate

skore = pytest.importorskip("skore")

N = 48


@pytest.fixture(scope="module")
def patients(tmp_path_factory):
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("scans")
    y = np.where(np.arange(N) % 2, "edema", "none")
    X = pd.DataFrame({"sodium": rng.normal(138, 3, N), "sex": rng.choice(["f", "m"], N)})
    X["sodium"] -= 8 * (y == "edema")
    X.loc[::7, "sodium"] = np.nan
    for k in range(N):
        np.save(folder / f"{k}.npy", rng.normal(30, 5, (16, 16, 16)))
    X["scan"] = [str(folder / f"{k}.npy") for k in range(N)]
    return X, y


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_cross_validation_report_runs_untouched(patients):
    X, y = patients
    clf = AttentionMixerClassifier(
        image="scan",
        volume=VolumeReader(spacing=None, shape=8),
        encoder=CNN(width=4, depth=2),
        max_epochs=15,
        n_members=1,
        random_state=0,
    )
    folds = [(np.setdiff1d(np.arange(N), part), part) for part in np.split(np.arange(N), 3)]
    report = skore.CrossValidationReport(clf, X, y, splitter=folds, pos_label="edema")
    table = report.metrics.summarize().frame(aggregate=None)
    result = evaluate({"mixer": clf}, X, y, cv=folds, pos_label="edema", random_state=0)
    wanted = result.per_fold["roc_auc"]
    np.testing.assert_allclose(table.loc["roc_auc"].to_numpy().ravel(), wanted)
    for display in (report.metrics.roc(), report.metrics.precision_recall()):
        assert len(display.frame())
    matrix = report.metrics.confusion_matrix().frame()
    assert len(matrix)
    assert report.metrics.timings().shape[0] >= 2
    importance = report.inspection.permutation_importance(n_repeats=2, seed=0).frame()
    mean = importance.set_index("feature")["value_mean"]
    assert mean.idxmax() == "sodium"
    assert set(mean.index) == set(X.columns)
    assert "edema" in report._repr_html_()
