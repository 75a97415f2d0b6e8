"""Training on scans mirrored left to right."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skedema import AttentionMixerClassifier, ViTAutoencoder, VolumeReader
from skedema._features import FeatureCache, features
from skedema._training.cohort import Cohort, split_patients
from skedema._training.fitted import fitted as fitted_encoders
from skedema._training.patients import Patients
from skedema._training.target import Target
from skedema.encoders import CNN, ViT
from skedema.frames import read_table
from skedema.scans.cache import volumes

N, SIDE, N_SCANS = 24, 8, 22
READER = VolumeReader(spacing=None, shape=SIDE)


def draw(n: int = N, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Draw patients, two without a scan; the others have a dark region, left or right by label."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    scans = np.empty(n, dtype=object)
    for patient in range(n):
        hu = rng.normal(40, 4, (SIDE,) * 3).astype(np.float32)
        left = slice(0, SIDE // 2) if y[patient] else slice(SIDE // 2, SIDE)
        hu[left, 2:6, 2:6] -= 15
        scans[patient] = hu
    scans[[4, 9]] = None
    return pd.DataFrame({"scan": scans, "sodium": rng.normal(138, 5, n)}), y


def in_the_mirror(X: pd.DataFrame) -> pd.DataFrame:
    cells = np.empty(len(X), dtype=object)
    for row, cell in enumerate(X["scan"]):
        cells[row] = None if cell is None else np.ascontiguousarray(cell[::-1])
    return X.assign(scan=cells)


def autoencoder(**parameters: Any) -> ViTAutoencoder:
    small = {"size": "tiny", "patch": 4, "depth": 1, "decoder_depth": 1, "max_epochs": 1}
    return ViTAutoencoder(**(small | {"volume": READER, "pool": "patches"} | parameters))


def components() -> Any:
    flat = FunctionTransformer(lambda batch: batch.reshape(len(batch), -1))
    return make_pipeline(READER, flat, PCA(3, random_state=0))


def classifier(**parameters: Any) -> AttentionMixerClassifier:
    defaults = {
        "image": "scan",
        "encoder": CNN(width=4, depth=2),
        "volume": READER,
        "dim": 8,
        "max_epochs": 2,
        "random_state": 0,
    }
    return AttentionMixerClassifier(**(defaults | parameters))


@pytest.fixture(scope="module")
def cohort():
    return draw()


@pytest.fixture(scope="module")
def frozen(cohort):
    return FrozenEstimator(autoencoder(random_state=1).fit(list(cohort[0]["scan"].dropna())[:6]))


FIXED = {
    "frozen": lambda frozen: classifier(encoder=frozen),
    "built and kept": lambda _: classifier(encoder=ViT(dim=12, depth=1, patch=4), fine_tune=False),
    "pre-trained on the fold": lambda _: classifier(encoder=autoencoder(), fine_tune=False),
}
TRAINED = {
    "trained": lambda _: classifier(),
    "frozen and trained": lambda frozen: classifier(encoder=frozen, fine_tune=True),
}


@contextmanager
def counting() -> Iterator[dict[str, int]]:
    before, found = (volumes.n_reads, features.n_encoded), {}
    yield found
    found["read"] = volumes.n_reads - before[0]
    found["encoded"] = features.n_encoded - before[1]


def learners(clf: AttentionMixerClassifier, X: pd.DataFrame, mirror: bool) -> Patients:
    table, nobody = clf._columns.match(read_table(X)), np.zeros(len(X), dtype=int)
    cohort = Cohort(clf._columns, table, clf._columns.scans(table), nobody, nobody + 1.0)
    return clf._to_learn(
        cohort, Target(clf._kind, nobody, nobody + 1.0, nobody), clf.encoder_, mirror
    )


# What is seen


@pytest.mark.numerical
@pytest.mark.parametrize("kind", FIXED)
def test_mirrored_features_are_those_of_a_mirrored_scan_to_the_bit(cohort, frozen, kind):
    X, y = cohort
    clf = FIXED[kind](frozen).fit(X, y)
    found = learners(clf, X, mirror=True)
    features.clear()
    turned = learners(clf, in_the_mirror(X), mirror=True)
    assert torch.equal(found.mirrored, turned.features)
    assert torch.equal(found.features, turned.mirrored)
    features.clear()
    assert torch.equal(found.features, learners(clf, X, mirror=False).features)
    assert (found.mirrored - found.features).abs().max() > 1e-3
    alone = learners(clf, X.iloc[[7]], mirror=True)  # nobody else's scan matters
    assert torch.equal(alone.mirrored[0], found.mirrored[7])


@pytest.mark.numerical
@pytest.mark.parametrize("kind", [*FIXED, *TRAINED])
def test_symmetric_scans_make_no_difference(cohort, frozen, kind):
    X, y = cohort
    cells = np.empty(N, dtype=object)
    for row, cell in enumerate(X["scan"]):
        cells[row] = None if cell is None else cell + cell[::-1]
    X = X.assign(scan=cells)
    clf = (FIXED | TRAINED)[kind](frozen)
    found, expected = (clone(clf).set_params(mirror=mirror).fit(X, y) for mirror in (True, False))
    # Means over twice as many features round otherwise.
    rtol = 1e-4 if kind in FIXED else 0
    assert_allclose(found.predict_proba(X), expected.predict_proba(X), rtol=rtol)


@pytest.mark.parametrize("kind", [*FIXED, *TRAINED])
def test_auto_mirrors_where_the_encoder_is_trained(cohort, frozen, kind):
    X, y = cohort
    clf = (FIXED | TRAINED)[kind](frozen)
    found = [
        clone(clf).set_params(mirror=mirror).fit(X, y).predict_proba(X)
        for mirror in ("auto", kind in TRAINED, kind in FIXED)
    ]
    assert_array_equal(found[0], found[1])
    assert np.abs(found[0] - found[2]).max() > 1e-6


@pytest.mark.numerical
def test_features_are_standardised_over_both_views(cohort, frozen):
    X, y = cohort
    weight = np.random.default_rng(0).uniform(0.5, 2, N)
    clf = classifier(encoder=frozen, mirror=True).fit(X, y, sample_weight=weight)
    scans, has = list(X["scan"].dropna()), X["scan"].notna().to_numpy()
    both = np.concatenate([frozen.transform(scans), frozen.transform_mirrored(scans)])
    twice = np.tile(weight[has], 2)
    mean = np.average(both.astype(np.float64), axis=0, weights=twice)
    spread = np.sqrt(np.average((both - mean) ** 2, axis=0, weights=twice))
    tokens = clf.net_.module_.scan_tokens
    assert_allclose(tokens.mean, mean, rtol=1e-4, atol=1e-6)
    assert_allclose(tokens.scale, spread, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "parameters",
    [
        {"encoder": CNN(width=4, depth=2), "max_epochs": 20, "lr": 1e-2},
        {"encoder": "frozen", "max_epochs": 20, "lr": 1e-2},
    ],
)
def test_a_side_can_be_learned_only_without_mirroring(frozen, parameters):
    X, y = draw(60)
    later, labels = draw(60, seed=1)
    given = parameters | ({"encoder": frozen} if parameters["encoder"] == "frozen" else {})
    # Not the AUC: what hardly leaves one half is ranked by chance.
    losses = {}
    for mirror in (True, False):
        one = given | {"n_members": 1, "input_dropout": 0.0}
        clf = classifier(mirror=mirror, **one).fit(X[["scan"]], y)
        losses[mirror] = log_loss(labels, clf.predict_proba(later[["scan"]]))
    assert losses[False] < 0.1, losses
    assert losses[True] > 0.6, losses  # 0.69 is that of a coin


# How often


@pytest.mark.parametrize("kind", FIXED)
def test_each_scan_is_read_once_and_encoded_once_a_view(cohort, frozen, kind):
    X, y = cohort
    clf = FIXED[kind](frozen)
    with counting() as found:
        clone(clf).fit(X, y)
    assert found == {"read": N_SCANS, "encoded": N_SCANS}
    for cache in (features, volumes, fitted_encoders):
        cache.clear()
    clf.set_params(mirror=True)
    with counting() as found:
        clone(clf).fit(X, y)
    assert found == {"read": N_SCANS, "encoded": 2 * N_SCANS}
    with counting() as found:
        clone(clf).set_params(lr=1e-2).fit(X, y).predict(X)
        clone(clf).set_params(mirror=False).fit(X, y)
    assert found == {"read": 0, "encoded": 0}


@pytest.mark.parametrize("kind", ["frozen", "built and kept"])
def test_both_views_are_found_again_in_memory(cohort, frozen, kind, tmp_path):
    X, y = cohort
    clf = FIXED[kind](frozen).set_params(mirror=True, memory=joblib.Memory(tmp_path, verbose=0))
    expected = clf.fit(X, y).predict_proba(X)
    features.clear(), volumes.clear()  # as a new process would be
    with counting() as found:
        assert_array_equal(clone(clf).fit(X, y).predict_proba(X), expected)
    assert found == {"read": 0, "encoded": 0}


@pytest.mark.parametrize("kind", FIXED)
def test_results_are_those_without_a_cache(cohort, frozen, kind, monkeypatch):
    X, y = cohort
    clf = FIXED[kind](frozen).set_params(mirror=True)
    expected = clf.fit(X, y).predict_proba(X)
    fitted_encoders.clear()
    with monkeypatch.context() as patch:
        patch.setattr("skedema._features.features", FeatureCache(max_bytes=100))
        with counting() as found:
            assert_array_equal(clone(clf).fit(X, y).predict_proba(X), expected)
    # Those that an encoder was fitted on are held, others are let go.
    assert found["read"] == (0 if kind == "pre-trained on the fold" else 2 * N_SCANS)
    twice = pd.concat([X, X], ignore_index=True)  # the same scan in two rows
    features.clear()
    with counting() as found:
        clone(clf).fit(twice, np.concatenate([y, y]))
    assert found["encoded"] == 2 * N_SCANS


def test_predictions_and_patients_who_are_watched_are_seen_as_they_are(cohort, frozen):
    X, y = cohort
    clf = classifier(encoder=frozen, mirror=True, early_stopping=True, validation_fraction=0.25)
    with counting() as found:
        clf.fit(X, y)
    watched = 6 - X["scan"].iloc[watched_rows(clf, y)].isna().sum()
    assert found["encoded"] == 2 * (N_SCANS - watched) + watched
    with counting() as found:
        clf.predict(X)
    assert found["encoded"] == 0
    tuned = classifier(encoder=frozen, fine_tune=True, mirror=True).fit(X, y)
    with counting() as found:
        tuned.predict(X)
    assert found["encoded"] == N_SCANS


def watched_rows(clf: AttentionMixerClassifier, y: np.ndarray) -> np.ndarray:
    target = Target(clf._kind, y, np.ones(len(y)), y)
    asked = {"early_stopping": True, "validation_fraction": 0.25}
    _, valid = split_patients(target, **asked, seed=clf._seed)
    return valid


# Reproducible, and everywhere


@pytest.mark.parametrize("kind", [*FIXED, *TRAINED])
def test_fits_of_one_seed_are_equal_and_global_generators_are_left_alone(cohort, frozen, kind):
    X, y = cohort
    clf = (FIXED | TRAINED)[kind](frozen).set_params(mirror=True)
    torch.manual_seed(1), np.random.seed(1)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002
    first = clone(clf).fit(X, y).predict_proba(X)
    after = torch.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002
    assert torch.equal(before[0], after[0])
    assert_array_equal(before[1], after[1])
    torch.manual_seed(2)
    assert_array_equal(clone(clf).fit(X, y).predict_proba(X), first)


@pytest.mark.parametrize("kind", ["frozen", "trained"])
def test_going_on_is_going_through(cohort, frozen, kind):
    X, y = cohort
    clf = (FIXED | TRAINED)[kind](frozen).set_params(mirror=True)
    expected = clone(clf).set_params(max_epochs=4).fit(X, y).predict_proba(X)
    warm = clone(clf).set_params(warm_start=True).fit(X, y).fit(X, y)
    assert_array_equal(warm.predict_proba(X), expected)
    parts = clone(clf)
    for _ in range(4):
        parts.partial_fit(X, y, classes=[0, 1])
    assert_array_equal(parts.predict_proba(X), expected)


@pytest.mark.parametrize("kind", ["frozen", "trained"])
def test_mirror_is_a_parameter_like_others(cohort, frozen, kind):
    X, y = cohort
    clf = (FIXED | TRAINED)[kind](frozen).set_params(mirror=True)
    assert clone(clf).get_params()["mirror"] is True
    assert AttentionMixerClassifier().mirror == "auto"
    plain = clone(clf).set_params(mirror=False).fit(X, y)
    clf.fit(X, y)
    again = pickle.loads(pickle.dumps(clf))
    assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
    assert abs(len(pickle.dumps(clf)) - len(pickle.dumps(plain))) < 500
    with pytest.raises(ValueError, match=r"'mirror' parameter of AttentionMixerClassifier"):
        classifier(mirror="left").fit(X, y)


def test_an_encoder_that_reads_scans_itself_cannot_be_mirrored(cohort):
    X, y = cohort
    ready = components().fit(list(X["scan"].dropna()))
    for encoder in (components(), FrozenEstimator(ready)):
        with (
            counting() as found,
            pytest.raises(
                ValueError,
                match=r"mirror=True needs .* has no method transform_mirrored.*mirror=False",
            ),
        ):
            classifier(encoder=encoder, mirror=True).fit(X, y)
        assert found["read"] == 0
    auto = classifier(encoder=ready, warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="mirror=True needs"):
        auto.set_params(mirror=True).fit(X, y)
    off = classifier(encoder=ready, mirror=False).fit(X, y)
    assert_array_equal(classifier(encoder=ready).fit(X, y).predict_proba(X), off.predict_proba(X))


def test_without_scans_it_has_no_effect(cohort):
    X, y = cohort[0][["sodium"]], cohort[1]
    found = [
        classifier(image=None, encoder=components(), mirror=mirror).fit(X, y).predict_proba(X)
        for mirror in (True, False, "auto")
    ]
    assert_array_equal(found[0], found[1])
    assert_array_equal(found[0], found[2])


@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_scan_that_cannot_be_read_is_named_by_its_row(cohort, frozen, n_jobs, tmp_path):
    X, y = cohort[0].copy(), cohort[1]
    path = tmp_path / "damaged.nii"
    path.write_bytes(b"no scan")
    X.at[20, "scan"] = str(path)
    clf = classifier(encoder=frozen, mirror=True, n_jobs=n_jobs)
    with pytest.raises(ValueError, match=r"^row 20.*damaged\.nii"):
        clf.fit(X, y)
