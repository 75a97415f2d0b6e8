from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from skedema.inspection import MissingnessDisplay


def test_patterns_are_counted(gaps):
    frame = MissingnessDisplay.from_table(gaps).frame()
    counts = gaps.isna().apply(lambda row: tuple(gaps.columns[row]), axis=1).value_counts()
    assert frame.set_index("missing")["n_rows"].to_dict() == counts.to_dict()
    assert frame["share"].sum() == pytest.approx(1)
    assert frame["n_rows"].is_monotonic_decreasing


def test_cost_is_the_drop_when_nobody_has_the_value(mixer, gaps, patients):
    table, labels = gaps[1::2], patients[1][1::2]
    display = MissingnessDisplay.from_estimator(mixer, table, labels)
    costs = display.costs.set_index("variable")

    def auc(X):
        return roc_auc_score(labels == "none", mixer.predict_proba(X)[:, 1])

    for name in table.columns:
        drop = auc(table) - auc(table.assign(**{name: np.nan}))
        assert costs.loc[name, "cost"] == pytest.approx(drop)
    assert costs.loc["sodium", "n_missing"] == table["sodium"].isna().sum()
    assert (costs["low"] <= costs["cost"]).all()


def test_classifier_without_missing_values_says_what_to_do(logistic, patients):
    table, labels = patients[0][1::2], patients[1][1::2]
    with pytest.raises(ValueError, match="NaN") as caught:
        MissingnessDisplay.from_estimator(logistic, table, labels)
    assert "SimpleImputer" in " ".join(caught.value.__notes__)


def test_figure_marks_what_is_missing_together(mixer, gaps, patients):
    table, labels = gaps[1::2], patients[1][1::2]
    both = MissingnessDisplay.from_estimator(mixer, table, labels).plot()
    np.testing.assert_allclose(
        both.ax_[1].containers[0].lines[0].get_xdata(orig=False), both.costs["cost"]
    )
    alone = MissingnessDisplay.from_table(gaps).plot()
    names = [tick.get_text() for tick in alone.ax_.get_xticklabels()]
    marks = [each.get_offsets() for each in alone.ax_.collections]
    for row, missing in enumerate(alone.frame()["missing"]):
        marked = marks[2 * row + 1]
        assert [names[int(x)] for x, _ in marked] == [n for n in names if n in missing]
    assert "age and noise: 30 (25%)" in alone.description


def test_whole_table_has_one_pattern():
    display = MissingnessDisplay.from_table(pd.DataFrame({"a": [1, 2]})).plot()
    assert display.frame().values.tolist() == [[(), 2, 1.0]]
    assert "nothing: 2 (100%)" in display.description
