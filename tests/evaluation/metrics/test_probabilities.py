from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from skedema.evaluation.metrics import figures

NAMES = ["brier", "log_loss"]


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
    assert found["brier"] == sk.brier_score_loss(label, probability)
    assert found["log_loss"] == sk.log_loss(label, probability)
