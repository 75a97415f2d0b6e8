from __future__ import annotations

import numpy as np
import pytest

from skedema.evaluation.displays import IntervalCalibrationDisplay, PredictedObservedDisplay

from .._numbers import LEVELS, WithQuantiles, X, Y

MODEL = WithQuantiles().fit(X, Y)


def test_the_line_is_that_of_least_squares():
    display = PredictedObservedDisplay.from_estimator(MODEL, X, 3 + 2 * Y, n_resamples=200)
    (row,) = display.frame().to_dict("records")
    slope, intercept = np.polyfit(MODEL.predict(X), 3 + 2 * Y, 1)
    assert (row["slope"], row["intercept"]) == (pytest.approx(slope), pytest.approx(intercept))
    assert row["slope_low"] < 2 < row["slope_high"]
    assert "Observed over predicted of WithQuantiles" in display.description


def test_it_is_drawn_with_intervals():
    pytest.importorskip("matplotlib")
    display = PredictedObservedDisplay.from_estimator(MODEL, X, Y, n_resamples=20).plot()
    assert len(display.ax_.collections[0].get_segments()) == len(Y)
    calibration = IntervalCalibrationDisplay.from_estimator(MODEL, X, Y).plot()
    assert calibration.ax_.get_xlabel() == "Level of the quantile"


def test_shares_below_quantiles_are_near_their_levels():
    table = IntervalCalibrationDisplay.from_estimator(MODEL, X, Y).frame()
    assert table["level"].tolist() == list(LEVELS)
    assert ((table["low"] < table["level"]) & (table["level"] < table["high"])).all()
    with pytest.raises(ValueError, match="No estimator predicts quantiles"):
        IntervalCalibrationDisplay.from_predictions(Y, Y)
