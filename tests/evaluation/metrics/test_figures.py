from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from skedema.evaluation.metrics import METRICS, figures
from skedema.evaluation.metrics._arrays import two_classes
from skedema.evaluation.metrics._metric import SETTINGS, measured
from skedema.evaluation.metrics._registry import find_metrics


def cohort(seed, n=60, decimals=1):
    """Labels and probabilities with many ties."""
    rng = np.random.default_rng(seed)
    label = rng.random(n) < 0.4
    logit = rng.normal(size=n) + label
    return label, np.round(1 / (1 + np.exp(-logit)), decimals)


def of_many(name, label, probability, predicted, weights):
    """A figure of many weightings at once."""
    rows = two_classes(label, probability, predicted, None)
    (metric,) = find_metrics(name)
    return measured(metric, rows, np.asarray(weights, float), SETTINGS)


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
    found = of_many(name, label, probability, predicted, weights)
    wanted = [SCIKIT_LEARN[name](label, probability, predicted, weight) for weight in weights]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


@pytest.mark.parametrize("name", METRICS)
def test_figures_of_one_weighting_are_those_without_weights(name):
    label, probability = cohort(0)
    predicted = probability >= 0.5
    (found,) = of_many(name, label, probability, predicted, np.ones((1, 60)))
    assert figures(label, probability, names=[name])[name] == pytest.approx(found, rel=1e-12)


@pytest.mark.parametrize("name", METRICS)
def test_drawing_a_patient_twice_is_having_two_such_patients(name):
    label, probability = cohort(1)
    predicted = probability >= 0.5
    drawn = np.random.default_rng(1).integers(60, size=60)
    weight = np.bincount(drawn, minlength=60).astype(float)[None]
    (found,) = of_many(name, label, probability, predicted, weight)
    wanted = figures(label[drawn], probability[drawn], predicted[drawn], names=[name])[name]
    assert found == pytest.approx(wanted, rel=1e-7)


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
        name: of_many(
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
