from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from skedema.evaluation.metrics import figures

RNG = np.random.default_rng(0)
LABEL = RNG.integers(0, 3, 80)
PROBABILITY = RNG.dirichlet([1, 1, 1], 80).round(2)
PROBABILITY[:, 2] = 1 - PROBABILITY[:, :2].sum(axis=1)
PROBABILITY = PROBABILITY.clip(0, 1)


def test_several_classes_have_the_mean_of_each_against_the_rest():
    found = figures(LABEL, PROBABILITY, names=["roc_auc", "average_precision"])
    wanted = sk.roc_auc_score(LABEL, PROBABILITY, multi_class="ovr", average="macro")
    assert found["roc_auc"] == pytest.approx(wanted, rel=1e-14)
    each = sk.average_precision_score(np.eye(3)[LABEL], PROBABILITY, average="macro")
    assert found["average_precision"] == pytest.approx(each, rel=1e-14)


@pytest.mark.parametrize("seed", range(20))
def test_figures_are_scikit_learns_to_the_last_bit(seed):
    rng = np.random.default_rng(seed)
    label = np.r_[0, 1, rng.integers(0, 2, 70)]
    probability = rng.random(72)
    found = figures(label, probability, names=["roc_auc", "average_precision"])
    assert found["roc_auc"] == sk.roc_auc_score(label, probability)
    assert found["average_precision"] == sk.average_precision_score(label, probability)
