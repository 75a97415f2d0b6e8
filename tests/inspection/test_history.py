from __future__ import annotations

import pandas as pd
import pytest

from skedema.inspection import HistoryDisplay


def test_lines_are_those_of_the_history(mixer):
    display = HistoryDisplay.from_estimator(mixer).plot()
    history = mixer.history_
    lines = {line.get_label(): line for line in display.ax_.get_lines()}
    assert lines["training"].get_ydata().tolist() == history["train_loss"].tolist()
    assert lines["training"].get_xdata().tolist() == history["epoch"].tolist()
    assert set(display.frame()["loss"]) == set(history.columns) - {"epoch", "seconds"}
    assert f"epoch, 1 to {len(history)}" in display.description


def test_pretraining_has_a_panel_a_part_of_the_loss():
    history = pd.DataFrame(
        {"epoch": [1, 2], "total": [3.0, 2.0], "edge": [1.0, 0.5], "lr": [1e-3, 1e-3]}
    )
    display = HistoryDisplay(history).plot()
    drawn = [[line.get_label() for line in ax.get_lines()] for ax in display.ax_]
    assert drawn == [["all together"], ["edges"]]
    assert display.ax_[1].get_lines()[0].get_ydata().tolist() == [1.0, 0.5]
    fit = pd.DataFrame({"epoch": [1, 2], "train_loss": [0.7, 0.5], "valid_loss": [0.7, 0.6]})
    assert len(HistoryDisplay(fit).plot().ax_.get_lines()) == 2


def test_no_history_is_refused():
    with pytest.raises(ValueError, match="column 'epoch'"):
        HistoryDisplay(pd.DataFrame({"loss": [1.0]}))
    with pytest.raises(ValueError, match="0 rows"):
        HistoryDisplay(pd.DataFrame({"epoch": [], "total": []}))
