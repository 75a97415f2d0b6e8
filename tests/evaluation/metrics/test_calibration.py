from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq, minimize
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from skedema.evaluation.metrics import calibration_intercept, calibration_slope
from skedema.evaluation.metrics.calibration import logits


def cohort(seed, n=60, decimals=1):
    """Labels and probabilities with many ties."""
    rng = np.random.default_rng(seed)
    label = rng.random(n) < 0.4
    logit = rng.normal(size=n) + label
    return label, np.round(1 / (1 + np.exp(-logit)), decimals)


def test_slope_is_that_of_a_logistic_regression_on_the_logit():
    label, probability = cohort(2, decimals=6)
    logit = np.log(probability / (1 - probability))[:, None]
    for weight in (np.ones(60), np.random.default_rng(0).integers(0, 4, 60)):
        model = LogisticRegression(C=np.inf, tol=1e-10).fit(logit, label, weight)
        found = calibration_slope(label, probability, sample_weight=weight)
        assert found == pytest.approx(model.coef_[0, 0], rel=1e-4)


def test_intercept_maximises_the_likelihood_with_the_logit_as_offset():
    label, probability = cohort(3, decimals=6)
    logit = np.log(probability / (1 - probability))

    def loss(a):
        return np.logaddexp(0, a + logit).sum() - (label * (a + logit)).sum()

    wanted = minimize(loss, 0.0, tol=1e-12).x[0]
    assert calibration_intercept(label, probability) == pytest.approx(wanted, abs=1e-5)


def test_intercept_of_a_constant_is_the_difference_of_log_odds():
    label = np.arange(10) < 2
    assert calibration_intercept(label, np.full(10, 0.5)) == pytest.approx(np.log(0.2 / 0.8))
    assert np.isnan(calibration_slope(label, np.full(10, 0.5)))


def test_perfectly_calibrated_probabilities_have_slope_1_and_intercept_0():
    # 10 patients at 20 %, 10 at 70 %, of whom exactly 2 and 7 are positive
    label = np.r_[np.arange(10) < 2, np.arange(10) < 7]
    probability = np.repeat([0.2, 0.7], 10)
    assert calibration_slope(label, probability) == pytest.approx(1)
    assert calibration_intercept(label, probability) == pytest.approx(0, abs=1e-9)


def test_slope_undoes_what_was_done_to_the_logit():
    label, probability = cohort(4, n=400, decimals=6)
    slope = calibration_slope(label, probability)
    logit = np.log(probability / (1 - probability))
    assert calibration_slope(label, 1 / (1 + np.exp(-2 * logit))) == pytest.approx(slope / 2)


def test_slope_of_separated_classes_is_not_defined():
    label = np.array([0, 0, 1, 1])
    assert np.isnan(calibration_slope(label, [0.1, 0.2, 0.7, 0.9]))
    assert np.isnan(calibration_slope(label, [0.1, 0.5, 0.5, 0.9]))  # touching is separated too
    assert np.isnan(calibration_slope(label, [0.9, 0.8, 0.2, 0.1]))
    assert np.isfinite(calibration_slope(label, [0.1, 0.6, 0.5, 0.9]))


@pytest.mark.parametrize("spread", [1, 30])
def test_likelihood_is_flat_where_calibration_is_fitted(spread):
    rng = np.random.default_rng(0)
    n_slopes = 0
    for _ in range(100):
        label = rng.random(20) < rng.random()
        probability = np.round(expit(rng.normal(size=20) * spread), rng.integers(0, 9))
        weight = rng.integers(0, 3, 20).astype(float)
        logit = logits(probability)
        a = calibration_intercept(label, probability, sample_weight=weight)
        both = len(np.unique(label[weight > 0])) == 2
        assert np.isfinite(a) == both
        if both:
            assert abs(weight @ (label - expit(a + logit))) < 1e-6
        b = calibration_slope(label, probability, sample_weight=weight)
        if np.isfinite(b):
            n_slopes += 1
            a = brentq(lambda a: (weight @ (label - expit(a + b * logit))).item(), -500, 500)  # noqa: B023
            assert abs(weight @ ((label - expit(a + b * logit)) * logit)) < 1e-4
    assert n_slopes > 30


def test_probabilities_of_0_and_1_have_a_finite_calibration():
    label = np.tile([0, 1], 20)
    probability = np.where(np.arange(40) < 4, 1 - label, label).astype(float)
    assert 0 < calibration_slope(label, probability) < 0.2
    assert np.isfinite(calibration_intercept(label, probability))
