from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax
from sklearn.base import clone

from skedema import AttentionMixerClassifier

_RNG = np.random.default_rng(0)
N = 48
X = pd.DataFrame({"sodium": _RNG.normal(138, 5, N), "gcs": _RNG.integers(3, 16, N)})
Y = np.where(X["sodium"] + _RNG.normal(0, 4, N) < 138, "yes", "no")


def make(**parameters):
    return AttentionMixerClassifier(**{"max_epochs": 3, "random_state": 0} | parameters)


def of_members(clf, X):
    return softmax(clf._outputs(X), axis=-1)


def test_each_patient_is_asked_of_one_member_that_did_not_learn_from_him():
    clf = make().fit(X, Y)
    held, each = clf.held_out_, of_members(clf, X)
    same = np.isclose(each, held.proba[:, None], atol=1e-12).all(axis=2)
    assert each.shape == (N, 4, 2)
    assert (same.sum(axis=1) == 1).all()
    who = same.argmax(axis=1)
    assert np.bincount(who).tolist() == [12, 12, 12, 12]
    assert_array_equal(held.y, Y)


def test_held_out_predictions_of_pure_noise_tell_nothing_though_members_know_it_by_heart():
    rng = np.random.default_rng(1)
    table, y = pd.DataFrame(rng.normal(size=(60, 12))), np.arange(60) % 2
    clf = make(max_epochs=60, early_stopping=False, input_dropout=0.0).fit(table, y)
    held = clf.held_out_.proba.argmax(axis=1)
    assert clf.score(table, y) > 0.95
    assert (held == y).mean() < 0.7


def test_patients_of_weight_0_are_left_out_and_weights_are_kept():
    weight = np.arange(N) % 3.0
    held = make(n_members=2).fit(X, Y, weight).held_out_
    assert_array_equal(held.sample_weight, weight[weight > 0])
    assert_array_equal(held.y, Y[weight > 0])


def test_one_network_keeps_those_whom_early_stopping_watched():
    clf = make(n_members=1, early_stopping=True, validation_fraction=0.25).fit(X, Y)
    held = clf.held_out_
    assert held.proba.shape == (12, 2)
    proba = clf.predict_proba(X)
    assert all(np.isclose(proba, row, atol=1e-12).all(axis=1).any() for row in held.proba)


def test_there_are_none_where_everyone_was_learned_from():
    assert make(n_members=1).fit(X, Y).held_out_ is None
    parts = make(n_members=2).partial_fit(X, Y, classes=["no", "yes"])
    assert parts.held_out_ is None
    assert make().fit(X, Y).partial_fit(X, Y).held_out_ is None


def test_a_fit_that_goes_on_keeps_them_only_with_the_same_patients():
    clf = make(warm_start=True).fit(X, Y)
    before = clf.held_out_.proba
    after = clf.fit(X, Y).held_out_.proba
    assert (np.abs(after - before) > 0).any()
    assert clf.fit(X[::-1], Y[::-1]).held_out_ is None
    assert clf.fit(X[::-1], Y[::-1]).held_out_ is None  # they were mixed up before
    parts = make(warm_start=True).fit(X, Y).partial_fit(X[::-1], Y[::-1])
    assert parts.fit(X, Y).held_out_ is None


def test_they_are_pickled_and_no_clone_has_them():
    clf = make().fit(X, Y)
    twin = pickle.loads(pickle.dumps(clf))
    assert_allclose(twin.held_out_.proba, clf.held_out_.proba)
    assert not hasattr(clone(clf), "held_out_")


def test_a_fit_that_fails_leaves_them_as_they_were():
    clf = make().fit(X, Y)
    before = clf.held_out_
    with pytest.raises(ValueError, match="one row"):
        clf.fit(X.iloc[0].to_numpy(), Y)
    assert clf.held_out_ is before
