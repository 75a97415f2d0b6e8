from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from skedema.evaluation.metrics import figures

RNG = np.random.default_rng(0)
LABEL = RNG.integers(0, 3, 80)
PROBABILITY = RNG.dirichlet([1, 1, 1], 80)
PREDICTED = np.where(RNG.random(80) < 0.5, LABEL, PROBABILITY.argmax(axis=1))
NAMES = ["accuracy", "balanced_accuracy", "precision", "recall", "specificity", "f1"]


def test_several_classes_have_scikit_learns_macro_averages():
    found = figures(LABEL, PROBABILITY, PREDICTED, names=NAMES)
    assert found["accuracy"] == sk.accuracy_score(LABEL, PREDICTED)
    assert found["balanced_accuracy"] == sk.balanced_accuracy_score(LABEL, PREDICTED)
    for name in ("precision", "recall", "f1"):
        wanted = getattr(sk, f"{name}_score")(LABEL, PREDICTED, average="macro")
        assert found[name] == pytest.approx(wanted, rel=1e-15)
    of_class = sk.multilabel_confusion_matrix(LABEL, PREDICTED)
    wanted = np.mean(of_class[:, 0, 0] / of_class[:, 0].sum(axis=1))
    assert found["specificity"] == pytest.approx(wanted, rel=1e-15)


def test_without_a_prediction_the_most_likely_class_is_predicted():
    found = figures(LABEL, PROBABILITY, names=["accuracy"])
    assert found["accuracy"] == np.mean(PROBABILITY.argmax(axis=1) == LABEL)


def test_a_class_that_is_missing_leaves_no_mean():
    found = figures([0, 1, 1], np.full((3, 3), 1 / 3), [0, 1, 1], names=NAMES, classes=[0, 1, 2])
    assert {name for name, value in found.items() if np.isnan(value)} == {
        *("balanced_accuracy", "precision", "recall", "specificity", "f1")
    }
    assert found["accuracy"] == 1
