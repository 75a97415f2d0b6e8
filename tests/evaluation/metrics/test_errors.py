from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import (
    mean_absolute_error,
    median_absolute_error,
    r2_score,
    root_mean_squared_error,
)

from skedema.evaluation._predictions import NumberPredictions
from skedema.evaluation.metrics._metric import SETTINGS, measured
from skedema.evaluation.metrics.errors import METRICS

RNG = np.random.default_rng(0)
OBSERVED = RNG.normal(1e4, 5, 40).round()  # with ties, far from 0
PREDICTED = (OBSERVED + RNG.normal(0, 4, 40)).round(1)
THEIRS = {
    "mae": mean_absolute_error,
    "rmse": root_mean_squared_error,
    "median_absolute_error": median_absolute_error,
    "r2": r2_score,
    "pearson": lambda y, p: pearsonr(y, p)[0],
    "spearman": lambda y, p: spearmanr(y, p)[0],
    "bias": lambda y, p: np.mean(p - y),
}


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_row_that_is_drawn_twice_is_two_rows(metric):
    rows = NumberPredictions(np.arange(40), OBSERVED, np.full((40, 1), np.nan), PREDICTED)
    weights = RNG.integers(0, 3, (5, 40)).astype(float)
    found = measured(metric, rows, np.vstack([np.ones(40), weights]), SETTINGS)
    drawn = [np.arange(40), *(np.repeat(np.arange(40), each.astype(int)) for each in weights)]
    expected = [THEIRS[metric.name](OBSERVED[each], PREDICTED[each]) for each in drawn]
    # Squares of 1e4 keep 1e-16 of 1e8, beside differences of some units.
    assert_allclose(found, expected, rtol=1e-7)


def test_what_does_not_vary_has_no_correlation():
    same = NumberPredictions(np.arange(3), np.ones(3), np.full((3, 1), np.nan), np.arange(3.0))
    undefined = {"r2", "pearson", "spearman"}
    for metric in METRICS:
        found = measured(metric, same, np.ones(3), SETTINGS)
        assert np.isnan(found) == (metric.name in undefined)
