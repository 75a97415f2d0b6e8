"""What a fit is told to cost, measured on a few of its scans and epochs."""

from __future__ import annotations

import random

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skedema import AttentionMixerClassifier, ScanError, ViTAutoencoder, VolumeReader
from skedema._features import features
from skedema.encoders import CNN, MirroredTokens
from skedema.scans.cache import volumes

N, READER = 48, VolumeReader(spacing=None, shape=8)
STEPS = ["preparing a fit", "an epoch, at most"]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("scans"), np.random.default_rng(0)
    paths = [str(folder / f"{k}.npy") for k in range(N)]
    for path in paths:
        np.save(path, rng.normal(40, 8, (8, 8, 8)).astype(np.float32))
    return pd.DataFrame({"scan": paths, "age": rng.normal(60, 9, N)}), np.arange(N) % 2


def classifier(**parameters):
    defaults = {"encoder": CNN(width=4, depth=2), "volume": READER, "random_state": 0}
    return AttentionMixerClassifier(image="scan", **(defaults | parameters))


def autoencoder(**parameters):
    return ViTAutoencoder(size="tiny", volume=READER, max_epochs=2, **parameters)


def global_states():
    legacy = np.random.get_state()[1].tolist()  # noqa: NPY002
    return legacy, random.getstate(), torch.get_rng_state().tolist()


def n_new(estimate):
    reading = [step.times for step in estimate.steps if step.step.startswith("reading")]
    return sum(reading)


def test_steps_of_a_cross_validation_and_of_a_fit(cohort):
    X, y = cohort
    estimate = classifier(max_epochs=7).estimate(X, y, cv=4)
    assert (estimate.n_fits, estimate.n_train) == (4, 36)
    table = estimate.table()
    assert table["step"].tolist() == ["reading new scans", *STEPS, "predicting a scan"]
    assert table["times"].tolist() == [N, 4, 4 * 7, N]
    assert (table["seconds_each"] >= 0).all()
    np.testing.assert_allclose(table["seconds"], table["times"] * table["seconds_each"])
    assert estimate.seconds == pytest.approx(table["seconds"].sum())
    assert estimate.seconds > 0
    assert estimate.bytes > estimate.cache_bytes > 0
    text = str(estimate)
    assert all(step in text for step in table["step"])
    assert "4 fits, each on 36 patients" in text
    assert repr(estimate) == text
    once = classifier().estimate(X, y, cv=None)
    assert (once.n_fits, once.n_train) == (1, N)
    assert "one fit on 48 patients" in str(once)
    splitter = StratifiedKFold(3, shuffle=True, random_state=0)
    assert classifier().estimate(X, y, cv=splitter).n_fits == 3
    assert classifier().estimate(X, y, cv=list(splitter.split(X, y))).n_fits == 3


def test_epochs_and_members_are_those_of_the_fit(cohort):
    X, y = cohort
    clf = AttentionMixerClassifier(random_state=0)
    estimate = clf.estimate(X[["age"]], y, cv=2)
    assert [step.times for step in estimate.steps] == [2, 2 * 50]  # 24 patients: no members
    estimate = clf.estimate(X[["age"]], y, cv=None)
    assert [step.times for step in estimate.steps] == [1, 30]
    assert clf.set_params(n_members=2, max_epochs=5).estimate(X[["age"]], cv=3).steps[1].times == 15
    assert clf.estimate(X[["age"]]).n_fits == 5  # y does not have to be known


@pytest.mark.parametrize("fitted", [False, True])
def test_nothing_changes_but_what_is_at_hand(cohort, fitted):
    X, y = cohort
    clf = classifier(max_epochs=1)
    if fitted:
        clf.fit(X, y)
    before, parameters = dict(vars(clf)), clf.get_params()
    states = global_states()
    clf.estimate(X, y)
    assert vars(clf) == before
    assert clf.get_params() == parameters
    assert global_states() == states


def test_a_generator_that_is_given_is_not_drawn_from(cohort):
    X, y = cohort
    given = np.random.RandomState(0)
    AttentionMixerClassifier(random_state=given).estimate(X[["age"]], y)
    assert given.randint(2**31) == np.random.RandomState(0).randint(2**31)


def test_a_fit_after_an_estimate_is_the_same_to_the_bit(cohort):
    X, y = cohort
    clf = classifier(max_epochs=2, encoder=make_pipeline(READER, flat(), PCA(3)))
    expected = clf.fit(X, y).predict_proba(X)
    for cache in (volumes, features):
        cache.clear()
    clf.estimate(X, y)
    np.testing.assert_array_equal(clf.fit(X, y).predict_proba(X), expected)


def flat():
    return FunctionTransformer(lambda volumes: volumes.reshape(len(volumes), -1))


@pytest.mark.parametrize("fine_tune", [True, False])
def test_scans_at_hand_are_not_counted_again(cohort, tmp_path, fine_tune):
    X, y = cohort
    clf = classifier(fine_tune=fine_tune, max_epochs=1, memory=tmp_path)
    assert n_new(clf.estimate(X, y)) == N
    for cache in (volumes, features):
        cache.clear()
    clf.fit(X[:30], y[:30])
    assert 12 <= n_new(clf.estimate(X, y)) <= 18  # six of the first estimate are on disk
    clf.fit(X, y)
    assert n_new(clf.estimate(X, y)) == 0
    for cache in (volumes, features):
        cache.clear()
    assert n_new(clf.estimate(X, y)) == 0  # in the folder
    other = classifier(fine_tune=fine_tune, volume=VolumeReader(spacing=None, shape=9))
    assert n_new(other.estimate(X, y)) == N
    twice = pd.concat([X, X], ignore_index=True)
    assert n_new(other.set_params(volume=READER).estimate(twice, np.tile(y, 2))) <= N


def test_more_patients_take_longer(cohort):
    X, y = cohort
    clf = classifier(fine_tune=False)
    few = clf.estimate(X[:12], y[:12], cv=2)
    for cache in (volumes, features):
        cache.clear()
    many = clf.estimate(X, y, cv=4)
    assert n_new(few) < n_new(many)
    assert many.n_fits * many.n_train > few.n_fits * few.n_train
    assert few.cache_bytes < many.cache_bytes


def test_pre_training_in_each_fit_is_a_step(cohort):
    X, y = cohort
    for encoder in (
        autoencoder(),
        [("pre", autoencoder()), ("voxels", make_pipeline(READER, flat()))],
    ):
        volumes.clear()
        features.clear()
        estimate = classifier(encoder=encoder, max_epochs=1, fine_tune=False).estimate(X, y, cv=3)
        assert n_new(estimate) == N
        (step,) = (step for step in estimate.steps if step.step == "pre-training")
        assert step.times == 3
        assert step.seconds > 0
    frozen = FrozenEstimator(autoencoder().fit(list(X["scan"][:8])))
    estimate = classifier(encoder=frozen, max_epochs=1).estimate(X, y)
    assert "pre-training" not in str(estimate)
    trained = classifier(encoder=frozen, fine_tune=True, max_epochs=1).estimate(X, y)
    assert trained.steps[-1].step == "predicting a scan"


@pytest.mark.parametrize(
    "encoder",
    [
        MirroredTokens(CNN(width=4, depth=2)),
        make_pipeline(READER, flat(), PCA(10)),  # needs ten scans
        [
            ("voxels", make_pipeline(READER, flat())),
            ("sides", MirroredTokens(CNN(width=4, depth=2))),
        ],
    ],
)
def test_any_encoder_is_rehearsed(cohort, encoder):
    X, y = cohort
    estimate = classifier(encoder=encoder, max_epochs=1).estimate(X, y, cv=2)
    assert estimate.seconds > 0


def test_few_scans_or_one_will_do(cohort):
    X, y = cohort
    for n in (1, 2, 5):
        some = X.assign(scan=X["scan"].where(np.arange(N) < n, None))
        assert classifier(max_epochs=1).estimate(some, y, cv=None).seconds > 0
    assert classifier(encoder=None).estimate(X, y, cv=2).n_scans == 0


def test_what_a_fit_refuses_is_refused(cohort):
    X, y = cohort
    with pytest.raises(ValueError, match="Did you mean 'cnn'"):
        classifier(encoder="cn").estimate(X, y)
    with pytest.raises(ScanError, match="is not there, in row 3"):
        classifier().estimate(X.assign(scan=X["scan"].where(X.index != 3, "gone.nii")), y)
    with pytest.raises(ValueError, match="n_splits=30"):
        classifier().estimate(X, y, cv=30)
    with pytest.raises(ValueError, match="10"):  # more components than scans, of all there are
        classifier(encoder=make_pipeline(READER, flat(), PCA(10))).estimate(X[:8], y[:8], cv=2)


def test_splitter_that_needs_groups_is_given_as_folds(cohort):
    X, y = cohort[0][["age"]], cohort[1]
    clf, groups = AttentionMixerClassifier(max_epochs=1, n_members=1), np.arange(len(y)) // 2
    with pytest.raises(ValueError, match=r"GroupKFold needs .*cv=list\(splitter.split\(X, y, gr"):
        clf.estimate(X, y, cv=GroupKFold(2))
    assert clf.estimate(X, y, cv=list(GroupKFold(2).split(X, y, groups))).n_fits == 2
