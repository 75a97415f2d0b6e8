from __future__ import annotations

from inspect import signature

import numpy as np
import pytest
from sklearn import metrics as sk

from skedema.evaluation.metrics import figures
from skedema.evaluation.metrics._arrays import two_classes
from skedema.evaluation.metrics._metric import measured
from skedema.evaluation.metrics._registry import find_metrics

NAMES = ["brier", "log_loss"]


def brier_of_three(label, probability):
    """Give scikit-learn's figure, which there is since 1.7, or what it is there."""
    if "scale_by_half" in signature(sk.brier_score_loss).parameters:
        return sk.brier_score_loss(label, probability)
    return np.average(np.sum((np.eye(3)[label] - probability) ** 2, axis=1))


@pytest.mark.parametrize("seed", range(20))
def test_figures_are_scikit_learns_to_the_last_bit(seed):
    rng = np.random.default_rng(seed)
    label = np.r_[0, 1, rng.integers(0, 2, 70)]
    probability = np.r_[0, 1, rng.random(70)]
    found = figures(label, probability, names=NAMES)
    assert found["brier"] == sk.brier_score_loss(label, probability)
    assert found["log_loss"] == sk.log_loss(label, probability)
    label = np.r_[0, 1, 2, rng.integers(0, 3, 70)]
    probability = np.r_[np.eye(3), rng.dirichlet([1, 2, 3], 70)]
    found = figures(label, probability, names=NAMES)
    assert found["brier"] == brier_of_three(label, probability)
    assert found["log_loss"] == sk.log_loss(label, probability)


def test_resampled_brier_scores_of_two_classes_are_the_mean_square_to_the_last_bit():
    rng = np.random.default_rng(0)
    label, probability = rng.integers(0, 2, 90), 1 / (1 + np.exp(rng.normal(size=90)))
    weights = rng.multinomial(90, np.full(90, 1 / 90), size=200).astype(float)
    (brier,) = find_metrics("brier")
    found = measured(brier, two_classes(label, probability, None, None), weights, {})
    np.testing.assert_array_equal(found, weights @ (probability - label) ** 2 / weights.sum(axis=1))
