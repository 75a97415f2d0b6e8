"""ViTAutoencoder as the encoder of the classifier."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skedema import AttentionMixerClassifier, ViTAutoencoder, VolumeReader
from skedema._features import features
from skedema._training.image_side import is_trained
from skedema.autoencoder import vit_ae
from skedema.encoders import make_encoder
from skedema.modules.pooled_encoder import PooledEncoder
from skedema.scans.cache import volumes

N, SIDE = 16, 8


@pytest.fixture(scope="module")
def cohort():
    rng = np.random.default_rng(0)
    y = np.arange(N) % 2
    scans = np.empty(N, dtype=object)
    for patient in range(N):
        scans[patient] = rng.normal(40 - 10 * y[patient], 3, (SIDE,) * 3)
    scans[3] = None
    return pd.DataFrame({"scan": scans, "sodium": rng.normal(size=N)}), y


def autoencoder(**parameters: object) -> ViTAutoencoder:
    small = {"size": "tiny", "patch": 4, "depth": 2, "decoder_depth": 1, "max_epochs": 2}
    return ViTAutoencoder(**(small | parameters))


def classifier(**parameters: object) -> AttentionMixerClassifier:
    defaults = {
        "image": "scan",
        "encoder": autoencoder(),
        "fine_tune": False,
        "volume": VolumeReader(shape=SIDE),
        "max_epochs": 3,
        "random_state": 0,
    }
    return AttentionMixerClassifier(**(defaults | parameters))


@pytest.fixture(scope="module")
def frozen(cohort):
    scans = cohort[0]["scan"].dropna()
    reader = VolumeReader(shape=SIDE)
    return FrozenEstimator(autoencoder(volume=reader, random_state=1).fit(list(scans)))


def test_name_and_reader_and_seed_are_handed_down(cohort):
    X, y = cohort
    first, second = (classifier().fit(X, y) for _ in range(2))
    assert isinstance(first.encoder_, ViTAutoencoder)
    assert first.encoder_.volume_.get_params() == VolumeReader(shape=SIDE).get_params()
    assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    other = classifier(random_state=1).fit(X, y)
    assert not np.array_equal(
        first.encoder_.transform([X["scan"][0]]), other.encoder_.transform([X["scan"][0]])
    )
    assert clone(first).encoder.volume is None  # what the user gave is left as it was


def test_a_classifier_that_talks_shows_the_progress_of_pretraining(cohort, capsys):
    X, y = cohort
    classifier().fit(X, y)
    assert capsys.readouterr().err == ""
    classifier(verbose=1).fit(X, y)
    assert "pre-training" in capsys.readouterr().err


@pytest.mark.numerical
def test_features_are_those_of_the_autoencoder(cohort, frozen):
    X, y = cohort
    fitted = classifier(encoder=frozen, volume=None).fit(X, y)
    assert fitted.encoder_.estimator is frozen.estimator
    has = X["scan"].notna().to_numpy()
    known = frozen.transform(list(X["scan"][has]))
    project = fitted.net_.module_.scan_tokens
    with torch.no_grad():
        standard = (torch.as_tensor(known) - project.mean) / project.scale
        expected = project.project(standard).numpy()
    assert_allclose(fitted.image_features(X)[has], expected, rtol=1e-4, atol=1e-5)


def test_an_encoder_with_a_reader_of_its_own_keeps_it(cohort, frozen):
    X, y = cohort
    own = VolumeReader(shape=SIDE, windows="stroke")
    fitted = classifier(encoder=autoencoder(volume=own)).fit(X, y)
    assert fitted.encoder_.volume_.windows == "stroke"
    assert classifier(encoder=frozen).fit(X, y).encoder_.volume_.windows == "brain"


@pytest.mark.numerical
def test_fine_tuning_starts_from_the_features_and_leaves_a_frozen_one_alone(cohort, frozen):
    X, y = cohort
    scans = list(X["scan"].dropna())
    before = frozen.transform(scans)
    volumes = torch.as_tensor(VolumeReader(shape=SIDE).transform(scans))
    with torch.no_grad():
        assert_allclose(frozen.network()(volumes)[:, 0], before, rtol=1e-4, atol=1e-5)
    tuned = classifier(encoder=frozen, volume=None, fine_tune=True, max_epochs=20).fit(X, y)
    with torch.no_grad():
        after = tuned.encoder_(volumes)[:, 0].numpy()
    assert np.abs(after - before).max() > 1e-3
    assert_array_equal(frozen.transform(scans), before)
    assert tuned.score(X, y) > 0.9


@pytest.mark.numerical
def test_a_pretrained_encoder_is_trained_further_from_standardised_features(cohort, frozen):
    X, y = cohort
    first = frozen.transform(list(X["scan"].dropna()))
    tuned = classifier(encoder=frozen, volume=None, fine_tune=True, max_epochs=1).fit(X, y)
    tokens = tuned.net_.module_.scan_tokens
    assert_allclose(tokens.mean, first.mean(axis=0), rtol=1e-4, atol=1e-6)
    assert_allclose(tokens.scale, first.std(axis=0), rtol=1e-4, atol=1e-6)


@pytest.mark.numerical
@pytest.mark.parametrize("fine_tune", [False, True])
def test_all_patches_are_one_wide_token_for_every_fusion(cohort, frozen, fine_tune):
    X, y = cohort
    scans = list(X["scan"].dropna())
    patches = FrozenEstimator(clone(frozen.estimator).fit(scans).set_params(pool="patches"))
    volumes = torch.as_tensor(VolumeReader(shape=SIDE).transform(scans))
    known = patches.transform(scans)
    assert known.shape == (N - 1, 8 * 96)
    with torch.no_grad():
        assert_allclose(patches.network()(volumes)[:, 0], known, rtol=1e-3, atol=1e-5)
    for fusion in ("cross_attention", "film"):
        clf = classifier(encoder=patches, fine_tune=fine_tune, fusion=fusion).fit(X, y)
        tokens = clf.net_.module_.scan_tokens
        assert tokens.project.in_features == 8 * 96
        assert_allclose(tokens.mean, known.mean(axis=0), rtol=1e-4, atol=1e-6)
        assert_allclose(tokens.scale, known.std(axis=0), rtol=1e-4, atol=1e-6)
        assert np.isfinite(clf.predict_proba(X)).all()
    if fine_tune:
        trained = [p.requires_grad for p in clf.encoder_.autoencoder.norm.parameters()]
        assert trained == [False, False]


def test_the_default_encoder_is_made_in_one_place():
    named, made = make_encoder("vit_ae"), vit_ae()
    assert isinstance(named, ViTAutoencoder)
    assert named.get_params() == made.get_params()


def test_layer_decay_slows_the_first_layers(cohort, frozen):
    X, y = cohort
    tuned = classifier(encoder=frozen, volume=None, fine_tune=True, layer_decay=0.5).fit(X, y)
    rates = {group["lr"] for group in tuned.net_.optimizer_.param_groups}
    # the head, two blocks, the embedding
    assert rates == {1e-3, 0.5e-3, 0.25e-3, 0.125e-3}
    changed = []
    for now, was in zip(tuned.encoder_.layers(), frozen.network().layers(), strict=True):
        changed.append(
            max(float((a - b).detach().abs().max()) for a, b in zip(now, was, strict=True))
        )
    assert changed[0] < changed[-1]
    counted = sum(len(group["params"]) for group in tuned.net_.optimizer_.param_groups)
    assert counted == len(list(tuned.net_.module_.parameters()))


def test_search_over_its_parameters(cohort):
    X, y = cohort
    grid = {"encoder__mask_ratio": [0.5, 0.75], "fine_tune": [True, False]}
    search = GridSearchCV(classifier(max_epochs=1), grid, cv=2, scoring="neg_log_loss").fit(X, y)
    assert len(set(search.cv_results_["mean_test_score"])) == 4


@pytest.mark.slow
def test_by_name_it_fits_a_small_table_as_it_is(cohort):
    X, y = cohort
    fitted = AttentionMixerClassifier(image="scan", encoder="vit_ae", random_state=0).fit(X, y)
    assert isinstance(fitted.encoder_, PooledEncoder)
    assert fitted.encoder_.autoencoder.patches.shape == (32, 32, 32)
    assert fitted.score(X, y) > 0.9


@pytest.mark.parametrize(
    ("encoder", "trained"), [("vit_ae", True), ("cnn", True), ("frozen", False), ("pca", False)]
)
def test_what_is_trained_with_the_classifier_unless_told(frozen, encoder, trained):
    given = {"frozen": frozen, "pca": make_pipeline(VolumeReader(), PCA())}.get(encoder, encoder)
    assert is_trained(make_encoder(given), "auto") is trained


class Doubled(ViTAutoencoder):
    """Gives other features than its network, and says so."""

    def transform(self, X):
        return 2 * super().transform(X)

    def features_digest(self):
        return f"doubled {super().features_digest()}"


@pytest.mark.numerical
def test_a_transform_of_a_subclass_is_what_counts(cohort, frozen):
    X, y = cohort
    scans = list(X["scan"].dropna())
    own = Doubled(**frozen.estimator.get_params(deep=False)).fit(scans)
    clf = classifier(encoder=FrozenEstimator(own)).fit(X, y)
    tokens = clf.net_.module_.scan_tokens
    assert_allclose(tokens.mean, own.transform(scans).mean(axis=0), rtol=1e-4, atol=1e-6)


@pytest.fixture
def counts():
    """Give what was read and encoded since, beginning with nothing known."""
    volumes.clear(), features.clear()
    before = volumes.n_reads, features.n_encoded
    return lambda: (volumes.n_reads - before[0], features.n_encoded - before[1])


def of_kind(kind, frozen):
    made = kind(**frozen.estimator.get_params(deep=False))
    vars(made).update(vars(frozen.estimator))
    return FrozenEstimator(made)


@pytest.mark.parametrize(
    ("parameters", "views"), [({}, 1), ({"mirror": True}, 2), ({"fine_tune": True}, 2)]
)
def test_a_transform_of_a_subclass_reads_once_and_encodes_each_view_once(
    cohort, frozen, counts, parameters, views
):
    X, y = cohort
    clf = classifier(encoder=of_kind(Doubled, frozen), **({"mirror": False} | parameters))
    clf.fit(X, y).predict(X)
    assert counts() == (N - 1, views * (N - 1))


class OtherSide(ViTAutoencoder):
    def transform_mirrored(self, X):
        return 0 * super().transform_mirrored(X) + 7


class NotKept(ViTAutoencoder):
    def features_digest(self):
        return None


class Wrapped(TransformerMixin, BaseEstimator):
    """Has what it lacks from what is within."""

    def __init__(self, within=None):
        self.within = within

    def fit(self, X, y=None):
        return self

    def __getattr__(self, name):
        if name.startswith("__") or name == "within":
            raise AttributeError(name)
        return getattr(self.within, name)

    def transform(self, X):
        return np.full((len(X), 3), 5.0)

    def features_digest(self):
        return "wrapped"


@pytest.mark.numerical
def test_every_method_of_a_subclass_is_what_counts(cohort, frozen, counts):
    X, y = cohort
    clf = classifier(encoder=of_kind(OtherSide, frozen), mirror=True).fit(X, y)
    mean = (frozen.transform(list(X["scan"].dropna())).mean(axis=0) + 7) / 2
    assert_allclose(clf.net_.module_.scan_tokens.mean, mean, rtol=1e-4, atol=1e-5)
    volumes.clear(), features.clear()
    before = counts()[1]
    clf = classifier(encoder=of_kind(NotKept, frozen)).fit(X, y)
    clf.predict(X)
    assert features.nbytes == 0
    assert counts()[1] - before == 2 * (N - 1)


def test_a_wrapper_gives_its_own_features(cohort, frozen):
    X, y = cohort
    clf = classifier(encoder=FrozenEstimator(Wrapped(frozen.estimator))).fit(X, y)
    assert clf.net_.module_.scan_tokens.mean.tolist() == [5.0] * 3
