from __future__ import annotations

import numpy as np
import pytest


def drawn(ax):
    """Give the points and the intervals on axes."""
    (container,) = ax.containers
    points = container.lines[0].get_xdata()
    (bars,) = container.lines[2]
    return points, np.array([[segment[0, 0], segment[1, 0]] for segment in bars.get_segments()])


def test_differences_are_those_of_the_comparison(once):
    display = once.metrics.forest("weak", n_resamples=200).plot()
    table = once.compare("weak", n_resamples=200)
    points, bars = drawn(display.ax_)
    np.testing.assert_array_equal(points, table["difference"])
    np.testing.assert_allclose(bars, table[["low", "high"]])
    assert display.ax_.get_title() == "Difference from weak; above 0 is better"
    assert display.ax_.get_lines()[0].get_xdata() == [0, 0]
    worse = once.metrics.forest("weak", "brier", n_resamples=20)
    assert "below 0 is better" in worse.description


def test_metrics_have_a_panel_each(once):
    display = once.metrics.summarize(metric=["roc_auc", "brier"], n_resamples=200).plot()
    assert [ax.get_xlabel() for ax in display.ax_] == ["AUC", "Brier score"]
    for ax, name in zip(display.ax_, ["roc_auc", "brier"], strict=True):
        summary = once.summary([name], n_resamples=200)
        points, bars = drawn(ax)
        np.testing.assert_array_equal(points, summary["pooled"])
        np.testing.assert_allclose(bars, summary[["low", "high"]])
        assert [tick.get_text() for tick in ax.get_yticklabels()] == once.names
        first = summary.iloc[0]
        written = f"{first['pooled']:.2f} ({first['low']:.2f} to {first['high']:.2f})"
        assert ax.texts[0].get_text() == written


def test_subgroups_have_a_row_each(once):
    options = {"bins": [0, 50, np.inf], "n_resamples": 50}
    frame = once.metrics.forest(by="age", **options).frame()
    table = once.subgroups("age", metrics=["roc_auc"], **options)
    np.testing.assert_array_equal(frame["value"], table["pooled"])
    sizes = table["n_patients"]
    assert frame["label"][0] == f"weak, [0, 50) (n = {sizes[0]})"
    with pytest.raises(ValueError, match="not both"):
        once.metrics.forest("weak", by="age")


def test_figure_without_an_interval_is_a_point(once):
    options = {"bins": [0, 25, np.inf], "n_resamples": 20, "min_patients": 40}
    display = once.metrics.forest(by="age", **options).plot()
    assert "not defined" in display.description
    assert len(display.ax_.get_yticklabels()) == 4
