from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from skedema.evaluation import missing_curve
from skedema.evaluation.displays import MissingCurveDisplay

from ._drawn import EDEMA, X


@pytest.fixture(scope="module")
def table():
    models = {"boosting": HistGradientBoostingClassifier(max_iter=5, random_state=0)}
    return missing_curve(
        models,
        X,
        EDEMA,
        shares=[0, 0.5, 1],
        train_shares=[0, 0.6],
        patterns=["random values", "random variables"],
        cv=3,
        random_state=0,
    )


def test_lines_are_means_over_folds(table):
    display = MissingCurveDisplay(table).plot()
    assert [ax.get_title() for ax in display.ax_] == ["random values", "random variables"]
    chosen = table[(table["pattern"] == "random values") & (table["train_share"] == 0.6)]
    expected = chosen.groupby("share")["roc_auc"].mean()
    second = display.ax_[0].get_lines()[1]
    np.testing.assert_allclose(second.get_ydata(), expected)
    np.testing.assert_array_equal(second.get_xdata(), expected.index)
    assert second.get_label() == "boosting, 60% missing in training"


def test_gaps_in_training_are_another_fit(table):
    mean = table.groupby(["train_share", "share"])["log_loss"].mean()
    assert mean[0.0, 0.0] != mean[0.6, 0.0]
    # Where everything is missing, nothing but the classes' frequencies is left.
    assert table.loc[table["share"] == 1, "roc_auc"].eq(0.5).all()


def test_other_metrics_by_name(table):
    display = MissingCurveDisplay(table, metric="log_loss")
    assert display.description.startswith("log loss with random values missing: boosting, 0%")
    with pytest.raises(ValueError, match="no column 'brier'"):
        MissingCurveDisplay(table, metric="brier")
