from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq, minimize
from scipy.special import expit
from sklearn import metrics as sk
from sklearn.linear_model import LogisticRegression

from skedema.evaluation import _weighted
from skedema.evaluation.metrics import (
    METRICS,
    calibration_intercept,
    calibration_slope,
    figures,
    net_benefit,
    sensitivity_at_specificity,
)


def cohort(seed, n=60, decimals=1):
    """Labels and probabilities with many ties."""
    rng = np.random.default_rng(seed)
    label = rng.random(n) < 0.4
    logit = rng.normal(size=n) + label
    return label, np.round(1 / (1 + np.exp(-logit)), decimals)


SCIKIT_LEARN = {
    "roc_auc": lambda y, p, c, w: sk.roc_auc_score(y, p, sample_weight=w),
    "average_precision": lambda y, p, c, w: sk.average_precision_score(y, p, sample_weight=w),
    "accuracy": lambda y, p, c, w: sk.accuracy_score(y, c, sample_weight=w),
    "balanced_accuracy": lambda y, p, c, w: sk.balanced_accuracy_score(y, c, sample_weight=w),
    "precision": lambda y, p, c, w: sk.precision_score(y, c, sample_weight=w),
    "recall": lambda y, p, c, w: sk.recall_score(y, c, sample_weight=w),
    "specificity": lambda y, p, c, w: sk.recall_score(y, c, pos_label=0, sample_weight=w),
    "f1": lambda y, p, c, w: sk.f1_score(y, c, sample_weight=w),
    "brier": lambda y, p, c, w: sk.brier_score_loss(y, p, sample_weight=w),
    "log_loss": lambda y, p, c, w: sk.log_loss(y, p, sample_weight=w),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", SCIKIT_LEARN)
def test_resampled_figures_are_those_of_scikit_learn(name, seed):
    label, probability = cohort(seed)
    predicted = probability >= 0.5
    weights = np.random.default_rng(9).multinomial(60, np.full(60, 1 / 60), size=20) * 1.0
    found = _weighted.figure(name, label, probability, predicted, weights)
    wanted = [SCIKIT_LEARN[name](label, probability, predicted, weight) for weight in weights]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


@pytest.mark.parametrize("name", METRICS)
def test_figures_of_one_weighting_are_those_without_weights(name):
    label, probability = cohort(0)
    predicted = probability >= 0.5
    (found,) = _weighted.figure(name, label, probability, predicted, np.ones((1, 60)))
    assert figures(label, probability, names=[name])[name] == pytest.approx(found, rel=1e-12)


@pytest.mark.parametrize("name", METRICS)
def test_drawing_a_patient_twice_is_having_two_such_patients(name):
    label, probability = cohort(1)
    predicted = probability >= 0.5
    drawn = np.random.default_rng(1).integers(60, size=60)
    weight = np.bincount(drawn, minlength=60).astype(float)[None]
    (found,) = _weighted.figure(name, label, probability, predicted, weight)
    wanted = figures(label[drawn], probability[drawn], predicted[drawn], names=[name])[name]
    assert found == pytest.approx(wanted, rel=1e-7)


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
        weight = rng.integers(0, 3, (1, 20)).astype(float)
        logit = _weighted.logits(probability)
        (a,) = _weighted.calibration_intercept(label, probability, weight)
        both = len(np.unique(label[weight[0] > 0])) == 2
        assert np.isfinite(a) == both
        if both:
            assert abs(weight @ (label - expit(a + logit))) < 1e-6
        (b,) = _weighted.calibration_slope(label, probability, weight)
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


def test_sensitivity_at_specificity_by_hand():
    label = [0] * 10 + [1] * 4
    probability = [0.0, 0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.4, 0.6, 0.8, 0.9, 0.7, 0.6, 0.35]
    # one false positive of ten is allowed: from 0.7 on two are found, 0.6 has a second one
    assert sensitivity_at_specificity(label, probability, 0.9) == 0.5
    assert sensitivity_at_specificity(label, probability, 0.8) == 0.75
    assert sensitivity_at_specificity(label, probability, 1.0) == 0.25
    assert sensitivity_at_specificity(label, probability, 0.0) == 1.0


@pytest.mark.parametrize("specificity", [0.5, 0.8, 0.9, 0.95])
def test_sensitivity_at_specificity_is_on_the_curve_of_scikit_learn(specificity):
    for seed in range(5):
        label, probability = cohort(seed, n=100, decimals=2)
        fpr, tpr, _ = sk.roc_curve(label, probability, drop_intermediate=False)
        wanted = tpr[1 - fpr >= specificity - 1e-12].max()
        assert sensitivity_at_specificity(label, probability, specificity) == pytest.approx(wanted)


def test_net_benefit_by_hand():
    # 100 patients, 20 ill; at 25 % 15 of them and 30 others are treated: 15/100 - 30/100 / 3
    label = np.repeat([1, 1, 0, 0], [15, 5, 30, 50])
    probability = np.repeat([0.6, 0.1, 0.3, 0.05], [15, 5, 30, 50])
    assert net_benefit(label, probability, 0.25) == pytest.approx(0.05)
    assert net_benefit(label, np.ones(100), 0.25) == pytest.approx(0.2 - 0.8 / 3)
    assert net_benefit(label, np.zeros(100), 0.25) == 0
    assert net_benefit(label, probability, 0.0) == pytest.approx(0.2)
    with pytest.raises(ValueError, match="below 1"):
        net_benefit(label, probability, 1.0)


def test_what_is_not_defined_is_nan_and_no_exception():
    found = figures([0, 0, 0], [0.1, 0.2, 0.6])
    nan = {name for name, value in found.items() if np.isnan(value)}
    assert nan == {
        *("roc_auc", "average_precision", "balanced_accuracy", "recall"),
        *("calibration_slope", "calibration_intercept", "sensitivity_at_specificity"),
    }
    assert found["precision"] == found["f1"] == 0
    assert np.isnan(figures([1, 0], [0.1, 0.2])["precision"])
    only = figures([1, 1], [0.9, 0.2])
    assert np.isnan(only["specificity"])
    assert np.isnan(only["roc_auc"])
    assert only["average_precision"] == 1
    resampled = {
        name: _weighted.figure(
            name, np.array([0, 0, 0], bool), np.array([0.1, 0.2, 0.6]), np.array([0, 0, 1], bool),
            np.ones((1, 3)),
        )[0]
        for name in METRICS
    }  # fmt: skip
    for name in METRICS:
        assert resampled[name] == pytest.approx(found[name], nan_ok=True), name


def test_decisions_count_where_they_differ_from_one_half():
    label, probability = [0, 1, 1], [0.1, 0.3, 0.7]
    assert figures(label, probability)["recall"] == 0.5
    assert figures(label, probability, [0, 1, 1])["recall"] == 1


def test_errors_say_what_is_wrong():
    with pytest.raises(ValueError, match="Did you mean 'roc_auc'"):
        figures([0, 1], [0.1, 0.2], names=["rocauc"])
    with pytest.raises(ValueError, match="predict_proba"):
        figures([0, 1], [[0.9, 0.1], [0.2, 0.8]])
    with pytest.raises(ValueError, match="between 0 and 1"):
        figures([0, 1], [0.1, np.nan])
    with pytest.raises(ValueError, match="label must"):
        figures([0, 2], [0.1, 0.2])
    with pytest.raises(ValueError, match="3 in predicted"):
        figures([0, 1], [0.1, 0.2], [0, 1, 1])
