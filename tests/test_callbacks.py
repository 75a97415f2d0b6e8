"""skorch's callbacks in the classifier."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import get_scorer
from skorch.callbacks import BatchScoring, Checkpoint, EarlyStopping, EpochScoring, LRScheduler

from skedema import AttentionMixerClassifier
from skedema._training.cohort import split_patients
from skedema._training.target import Target

N = 40
_RNG = np.random.default_rng(0)
X = pd.DataFrame({"sodium": _RNG.normal(138, 5, N), "sex": ["f", "m"] * (N // 2)})
TWO = np.where(X["sodium"] + _RNG.normal(0, 4, N) < 138, "edema", "none")
THREE = np.where(X["sodium"] > 142, "much", TWO)


def fit(*callbacks: object, y: np.ndarray = TWO, **parameters: object) -> AttentionMixerClassifier:
    one = {"n_members": 1, "input_dropout": 0.0}  # the tests are about one network
    defaults = {"max_epochs": 1, "random_state": 0, "lr": 1e-2} | one
    return AttentionMixerClassifier(callbacks=list(callbacks), **(defaults | parameters)).fit(X, y)


def watched(clf: AttentionMixerClassifier, y: np.ndarray) -> np.ndarray:
    codes = np.searchsorted(clf.classes_, y)
    _, valid = split_patients(
        Target(clf._kind, codes, np.ones(len(y)), codes),
        early_stopping=True,
        validation_fraction=clf.validation_fraction,
        seed=clf._seed,
    )
    return valid


METRICS = ["accuracy", "balanced_accuracy", "roc_auc", "neg_log_loss", "average_precision"]


@pytest.mark.parametrize(
    ("metric", "y"),
    [(metric, TWO) for metric in METRICS]
    + [(metric, THREE) for metric in ("accuracy", "f1_macro", "roc_auc_ovr", "neg_log_loss")],
)
def test_scores_are_those_of_the_patients_watched(metric, y):
    scoring = EpochScoring(metric, lower_is_better=False)
    clf = fit(scoring, y=y, early_stopping=True, validation_fraction=0.3)
    valid = watched(clf, y)
    codes = np.searchsorted(clf.classes_, y)

    expected = get_scorer(metric)
    if metric == "average_precision":  # of the class with code 1
        proba = clf.predict_proba(X.iloc[valid])[:, 1]
        found = expected._score_func(codes[valid], proba)
    else:
        found = expected(clf, X.iloc[valid], y[valid])
    assert clf.net_.history[-1, metric] == pytest.approx(found, rel=1e-6)


def test_scores_in_training_need_no_patients_apart():
    clf = fit(EpochScoring("accuracy", name="seen", on_train=True), max_epochs=3)
    assert len(clf.net_.history[:, "seen"]) == 3
    assert 0 <= clf.net_.history[-1, "seen"] <= 1


@pytest.mark.parametrize(
    "scoring",
    [
        EpochScoring(None, name="score", on_train=True),
        EpochScoring(
            lambda net, X, y: float(np.mean(net.predict(X) == y)), name="score", on_train=True
        ),
        BatchScoring("accuracy", name="score", on_train=True),
    ],
)
def test_other_kinds_of_scoring(scoring):
    clf = fit(scoring)
    assert 0 <= clf.net_.history[-1, "score"] <= 1


def test_stopping_by_a_score():
    scoring = EpochScoring("accuracy", lower_is_better=False, on_train=True)
    stopping = EarlyStopping("accuracy", lower_is_better=False, patience=2, sink=str)
    clf = fit(scoring, stopping, max_epochs=200)
    assert 2 < clf.n_iter_ < 200


def test_a_classifier_with_scores_can_be_pickled():
    clf = fit(EpochScoring("roc_auc", lower_is_better=False), early_stopping=True)
    assert pickle.loads(pickle.dumps(clf)).predict(X).tolist() == clf.predict(X).tolist()


NEEDS_VALIDATION = {
    "EarlyStopping": (lambda **kw: EarlyStopping(sink=str, **kw), "valid_loss"),
    "LRScheduler": (
        lambda **kw: LRScheduler("ReduceLROnPlateau", **({"monitor": "valid_loss"} | kw)),
        "valid_loss",
    ),
}


@pytest.mark.parametrize("name", NEEDS_VALIDATION)
def test_what_monitors_validation_without_one_is_told_what_to_do(name):
    make, monitor = NEEDS_VALIDATION[name]
    message = f"{name} monitors '{monitor}', .*early_stopping=True, .*monitor='train_loss'"
    with pytest.raises(ValueError, match=message):
        fit(make())
    fit(make(), early_stopping=True)
    fit(make(monitor="train_loss"))


def test_checkpoints_of_the_best_epoch(tmp_path):
    with pytest.raises(ValueError, match=r"Checkpoint monitors .*monitor='train_loss_best'"):
        fit(Checkpoint(dirname=tmp_path / "a"))
    fit(Checkpoint(dirname=tmp_path / "b"), early_stopping=True)
    fit(Checkpoint(dirname=tmp_path / "c", monitor="train_loss_best"))
    assert (tmp_path / "b" / "params.pt").exists()
    assert (tmp_path / "c" / "params.pt").exists()


def test_a_monitor_that_nobody_records_is_named():
    stopping = EarlyStopping("auc", sink=str)
    with pytest.raises(ValueError, match=r"monitors 'auc'.*EpochScoring\(..., name='auc'"):
        fit(stopping)
    fit(EpochScoring("roc_auc", name="auc", on_train=True), stopping)
    late = EpochScoring("roc_auc", name="auc", on_train=True)
    with pytest.raises(ValueError, match="before this callback"):
        fit(stopping, late)
