from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from skedema.evaluation.displays import BlandAltmanDisplay

RNG = np.random.default_rng(0)
OBSERVED = RNG.normal(50, 10, 60)
PREDICTED = OBSERVED + RNG.normal(2, 4, 60)


def test_bias_and_limits_are_those_of_the_papers():
    (row,) = BlandAltmanDisplay.from_predictions(OBSERVED, PREDICTED).frame().to_dict("records")
    difference, s = PREDICTED - OBSERVED, (PREDICTED - OBSERVED).std(ddof=1)
    assert row["bias"] == pytest.approx(difference.mean())
    assert row["upper"] == pytest.approx(difference.mean() + 1.959964 * s)
    half = t.ppf(0.975, 59) * s / np.sqrt(60)
    assert row["bias_high"] - row["bias"] == pytest.approx(half)
    error = s * np.sqrt(1 / 60 + 1.959964**2 / (2 * 59))
    assert row["lower"] - row["lower_low"] == pytest.approx(t.ppf(0.975, 59) * error)


def test_rows_of_one_patient_make_intervals_wider():
    twice = {"groups": np.repeat(np.arange(60), 2), "n_resamples": 300}
    both = [np.repeat(each, 2) for each in (OBSERVED, PREDICTED)]
    once, known, unknown = (
        BlandAltmanDisplay.from_predictions(*arrays, **options).frame().iloc[0]
        for arrays, options in (((OBSERVED, PREDICTED), {}), (both, twice), (both, {}))
    )
    width = [row["bias_high"] - row["bias_low"] for row in (once, known, unknown)]
    assert width[1] == pytest.approx(width[0], rel=0.15)
    assert width[2] < 0.8 * width[1]
    assert (known["n_rows"], known["n_patients"]) == (120, 60)


def test_it_is_drawn_with_what_it_says():
    pytest.importorskip("matplotlib")
    display = BlandAltmanDisplay.from_predictions(OBSERVED, PREDICTED, name="mine").plot()
    assert display.ax_.get_title() == "mine"
    assert len(display.ax_.lines[0].get_xdata()) == 60
    assert "Agreement of mine, 60 rows: bias" in display.description
    with pytest.raises(ValueError, match="finite numbers"):
        BlandAltmanDisplay.from_predictions([1, np.nan], [1, 2])
