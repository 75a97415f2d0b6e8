"""Several members: calibrated probabilities from some hundred patients, everyone watched."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, softmax
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import get_scorer, log_loss
from sklearn.preprocessing import FunctionTransformer
from skorch.callbacks import EpochScoring

from skedema import AttentionMixerClassifier
from skedema._training.members import shared_out

BEFORE = {"n_members": 1, "lr": 1e-3, "max_epochs": 50}


def noisy(n: int, n_noise: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Two variables that tell a little, and many that tell nothing; a tenth is missing."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 2 + n_noise))
    y = (rng.random(n) < expit(0.5 * values[:, 0] - 0.4 * values[:, 1])).astype(int)
    values[rng.random(values.shape) < 0.1] = np.nan
    return pd.DataFrame(values).add_prefix("v"), y


def classifier(**parameters: object) -> AttentionMixerClassifier:
    return AttentionMixerClassifier(**({"dim": 8, "max_epochs": 3, "random_state": 0} | parameters))


X, Y = noisy(120, 3, 0)


def watched(clf: AttentionMixerClassifier) -> np.ndarray:
    """Which member left each patient of `X` out."""
    patients = clf._look_at(X)[1]
    n_members = len(clf.net_.module_.members)
    return (shared_out(patients, Y, n_members, clf._seed)[1].weight > 0).numpy()


def loss(clf: AttentionMixerClassifier, seed: int) -> float:
    tested, y = noisy(1000, 18, seed)
    return log_loss(y, clf.predict_proba(tested)[:, 1])


def test_noise_does_not_make_the_default_overconfident():
    learned, y = noisy(150, 18, 1)
    by_default, before = (
        AttentionMixerClassifier(random_state=0, **how).fit(learned, y) for how in ({}, BEFORE)
    )
    of_anyone = log_loss(noisy(1000, 18, 2)[1], np.full(1000, y.mean()))
    assert loss(by_default, 2) < of_anyone + 0.01
    assert loss(by_default, 2) < loss(before, 2) - 0.01


def test_probabilities_are_the_mean_of_the_members():
    clf = classifier().fit(X, Y)
    assert len(clf.net_.module_.members) == 4
    of_each = softmax(clf._outputs(X), axis=-1)
    assert of_each.shape == (120, 4, 2)
    assert_allclose(clf.predict_proba(X), of_each.mean(axis=1))
    assert np.ptp(of_each[:, :, 0], axis=1).min() > 0  # no two are the same
    assert_allclose(clf.net_.predict_proba(clf._look_at(X)[1]), of_each.mean(axis=1))


def test_a_member_is_the_network_that_learns_from_its_patients_alone():
    """The first one, whose first weights are those of a single network of the same seed."""
    how = {"input_dropout": 0.0, "lr": 1e-2, "batch_size": 120, "early_stopping": False}
    several = classifier(n_members=2, **how).fit(X, Y)
    kept = ~watched(several)[:, 0]
    alone = classifier(n_members=1, metadata=FrozenEstimator(several.metadata_), **how)
    alone.fit(X[kept], Y[kept])
    # Within what the smallest number in AdamW's denominator makes of losses of another size.
    assert_allclose(several._outputs(X)[:, 0], alone._outputs(X), atol=1e-3)
    assert np.abs(several._outputs(X)[:, 1] - alone._outputs(X)).max() > 0.1


def test_the_loss_watched_is_that_of_members_who_left_a_patient_out():
    clf = classifier(max_epochs=1).fit(X, Y)
    left_out = softmax(clf._outputs(X), axis=-1)[watched(clf)]
    assert clf.history_["valid_loss"].iloc[-1] == pytest.approx(log_loss(Y, left_out))


@pytest.mark.parametrize("metric", ["roc_auc", "neg_log_loss", "accuracy"])
def test_scores_are_those_of_members_who_left_a_patient_out(metric):
    callbacks = [
        EpochScoring(metric, name="left_out", lower_is_better=False),
        EpochScoring(metric, name="learned", lower_is_better=False, on_train=True),
    ]
    clf = classifier(max_epochs=1, callbacks=callbacks).fit(X, Y)
    left_out = softmax(clf._outputs(X), axis=-1)[watched(clf)]
    scorer = get_scorer(metric)
    if metric == "accuracy":
        expected = np.mean(left_out.argmax(axis=1) == Y)
    else:
        given = left_out[:, 1] if metric == "roc_auc" else left_out
        expected = scorer._sign * scorer._score_func(Y, given)
    assert clf.net_.history[-1, "left_out"] == pytest.approx(expected)
    assert np.isfinite(clf.net_.history[-1, "learned"])


def test_early_stopping_keeps_the_best_epoch_and_can_be_left_out():
    clf = classifier(lr=3e-2, max_epochs=60, n_iter_no_change=3).fit(X, Y)
    losses = clf.history_["valid_loss"]
    best = int(losses.argmin()) + 1
    assert clf.n_iter_ == best + 3 < 60
    until = classifier(lr=3e-2, max_epochs=best, early_stopping=False).fit(X, Y)
    assert_array_equal(until.predict_proba(X), clf.predict_proba(X))
    assert "valid_loss" not in until.history_


def test_reproducible_in_a_pickle_and_with_patients_of_weight_0():
    clf = classifier().fit(X, Y)
    expected = clf.predict_proba(X)
    assert_array_equal(classifier().fit(X, Y).predict_proba(X), expected)
    assert_array_equal(pickle.loads(pickle.dumps(clf)).predict_proba(X), expected)
    more, y = pd.concat([X, X.iloc[:9]]), np.r_[Y, 1 - Y[:9]]
    weighted = classifier().fit(more, y, sample_weight=np.r_[np.ones(120), np.zeros(9)])
    assert_array_equal(weighted.predict_proba(X), expected)


def test_weights_of_patients_and_of_classes_count():
    plain, of_class, of_patients = (
        classifier(class_weight=weights).fit(X, Y, sample_weight=each).predict_proba(X)[:, 1]
        for weights, each in ((None, None), ({0: 1, 1: 9}, None), (None, np.where(Y == 1, 9, 1)))
    )
    assert of_class.mean() > plain.mean() + 0.05
    assert_allclose(of_class, of_patients, atol=0.01)  # scales of variables are weighted by patient


def test_several_classes_and_looks_into_what_was_fitted():
    y = np.where(X["v0"].fillna(0) > 0.5, "much", np.where(Y == 1, "some", "none"))
    scan = pd.Series([np.full((1, 1, 2), k / 120) for k in range(120)])
    scan[3] = None
    rows = FunctionTransformer(lambda scans: np.stack([scan.ravel() for scan in scans]))
    encoder = FrozenEstimator(rows)
    clf = classifier(image="scan", encoder=encoder, fine_tune=False, warn_unusual=False)
    table = X.assign(scan=scan)
    clf.fit(table, y)
    assert clf.predict_proba(table).shape == (120, 3)
    assert_allclose(clf.predict_proba(table).sum(axis=1), 1)
    assert_allclose(clf.attention(table).sum(axis=1), 1, rtol=1e-5)
    assert clf.image_features(table).shape == (120, 8)


def test_a_fit_that_goes_on_keeps_its_members():
    clf = classifier(warm_start=True).fit(X, Y)
    before = clf.predict_proba(X)
    clf.fit(X.iloc[:60], Y[:60])
    assert len(clf.net_.module_.members) == 4
    assert (clf.predict_proba(X) != before).any()
    in_parts = classifier().partial_fit(X, Y, classes=[0, 1])
    assert len(in_parts.net_.module_.members) == 1
    several = classifier(n_members=2).partial_fit(X, Y, classes=[0, 1]).partial_fit(X[:1], Y[:1])
    assert len(several.net_.module_.members) == 2
    assert several.n_iter_ == 2


@pytest.mark.parametrize("n", [50, 120, 520])
def test_a_fit_that_goes_on_without_anyone_to_watch_is_not_stopped(n):
    table, y = noisy(n, 1, 3)
    by_default = classifier().fit(table, y)
    assert "valid_loss" in by_default.history_
    assert by_default.partial_fit(table, y).n_iter_ == 4
    warm = classifier(warm_start=True, n_iter_no_change=1).fit(table, y)
    n_before = warm.n_iter_
    before = warm.predict_proba(table)
    warm.set_params(early_stopping=False).fit(table, y)
    assert warm.n_iter_ == n_before + 3
    assert (warm.predict_proba(table) != before).any()


def test_a_fit_that_goes_on_stops_early_where_it_is_asked_to():
    clf = classifier(warm_start=True, early_stopping=False, n_iter_no_change=2).fit(X, Y)
    clf.set_params(early_stopping=True, max_epochs=60, lr=3e-2).fit(X, Y)
    losses = clf.history_["valid_loss"]
    assert clf.n_iter_ == int(losses.argmin()) + 1 + 2 < 63


def test_scorers_get_an_answer_for_a_class_without_weight():
    def of_classes(name: str, **parameters: object) -> EpochScoring:
        return EpochScoring("neg_log_loss", lower_is_better=False, name=name, **parameters)

    y = np.where(X["v0"].fillna(0) > 0.5, 2, Y)
    callbacks = [of_classes("left_out"), of_classes("learned", on_train=True)]
    clf = classifier(max_epochs=1, class_weight={0: 1, 1: 1, 2: 0}, callbacks=callbacks).fit(X, y)
    patients = clf._look_at(X)[1]
    asked = shared_out(patients, y, 4, clf._seed)[1].asked.numpy()
    left_out = softmax(clf._outputs(X), axis=-1)[asked]
    assert clf.net_.history[-1, "left_out"] == pytest.approx(-log_loss(y, left_out))
    assert np.isfinite(clf.net_.history[-1, "learned"])
