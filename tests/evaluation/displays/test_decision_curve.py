from __future__ import annotations

import numpy as np
import pytest

from skedema.evaluation.displays import DecisionCurveDisplay

from ._drawn import line


def test_lines_are_the_decision_curve_of_the_evaluation(once):
    at = [0.1, 0.25, 0.6]
    display = once.metrics.decision_curve(thresholds=at).plot()
    table = once.decision_curve(at)
    assert len(display.ax_.get_lines()) == 4
    for name in (*once.names, "treat all", "treat none"):
        np.testing.assert_array_equal(line(display.ax_, name), [at, table[name]])
        frame = display.frame().query("strategy == @name")
        np.testing.assert_array_equal(frame["net_benefit"], table[name])


def test_more_classes_have_a_panel_each(kinds):
    display = kinds.metrics.decision_curve(thresholds=[0.2]).plot()
    for ax, name in zip(display.ax_, kinds.classes, strict=True):
        wanted = kinds.decision_curve([0.2], pos_label=name)
        assert line(ax, "strong")[1] == wanted["strong"].to_numpy()


def test_description_says_where_it_does_good(once):
    text = once.metrics.decision_curve().description
    assert text.startswith("Decision curve, positive class 'edema': weak does more good")
    table = once.decision_curve(np.linspace(0.01, 0.99, 99))
    better = table["strong"] > table[["treat all", "treat none"]].max(axis=1) + 1e-12
    assert f"strong does more good than treating all or none at {better.sum()} of 99" in text


@pytest.mark.parametrize("name", ["treat all", "treat none"])
def test_a_name_of_another_line_is_refused(name):
    with pytest.raises(ValueError, match=f"cannot be called '{name}'"):
        DecisionCurveDisplay.from_predictions([0, 1, 1], [0.2, 0.7, 0.4], name=name)
