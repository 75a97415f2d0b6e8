from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

import skedema
from skedema import AttentionMixerClassifier, VolumeReader
from skedema._features import features
from skedema.baselines import ScanFeatures
from skedema.encoders import EncoderUnion, MirroredTokens, SliceEncoder, make_encoder
from skedema.modules.gated_attention import GatedAttention
from skedema.persistence import ModelFileError

from ._tiny import MEAN, N_SLICES, READER, STD, dinov2, patients

pytest.importorskip("transformers")
X, Y = patients()
SCANS = list(X["scan"].dropna())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("dinov2")
    dinov2(place)
    return place


def encoder(folder, **parameters):
    return SliceEncoder(folder, **({"volume": READER, "device": "cpu"} | parameters))


def model(encoder, **parameters):
    quick = {"max_epochs": 2, "dim": 8, "n_members": 1, "random_state": 0}
    usual = {"image": "scan", "device": "cpu", **quick}
    return AttentionMixerClassifier(encoder=encoder, **(usual | parameters))


@pytest.mark.parametrize("pool", ["mean", "max", "slices", "attention"])
def test_features_are_those_of_the_network_on_each_slice(folder, pool, tmp_path):
    network = dinov2(tmp_path)
    fitted = encoder(tmp_path, pool=pool).fit()
    found = fitted.transform(SCANS[:2])
    for row, volume in zip(found, READER.transform(SCANS[:2]), strict=True):
        images = torch.tensor(volume.transpose(3, 0, 2, 1)[..., ::-1, ::-1].copy())
        images = torch.nn.functional.interpolate(images, (28, 28), mode="bilinear")
        images = (images - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
        with torch.no_grad():
            slices = network(images).pooler_output.numpy()
        pooled = {"mean": slices.mean(axis=0), "max": slices.max(axis=0)}
        expected = pooled.get(pool, slices.ravel())
        np.testing.assert_allclose(row, expected, rtol=1e-4, atol=1e-5)
    assert len(fitted.get_feature_names_out()) == found.shape[1]
    assert fitted.weights_report_.fits
    mirrored = fitted.transform_mirrored(SCANS[:2])
    turned = fitted.transform([scan[::-1] for scan in SCANS[:2]])
    np.testing.assert_allclose(mirrored, turned, rtol=1e-4, atol=1e-5)
    assert not np.allclose(mirrored, found, atol=1e-3)


def test_weights_that_took_the_place_of_others_are_loaded(tmp_path):
    network = dinov2(tmp_path)
    given = encoder(tmp_path)
    before = model(given, fine_tune=False).fit(X, Y).predict_proba(X)
    with torch.no_grad():
        network.layernorm.weight *= -1
    network.save_pretrained(tmp_path)
    after = model(given, fine_tune=False).fit(X, Y).predict_proba(X)
    assert not np.allclose(after, before, atol=1e-6)


def test_without_a_volume_slices_are_read_as_the_network_takes_images(folder):
    fitted = SliceEncoder(folder, n_slices=8).fit()
    told = fitted.volume_.summary()
    assert "28 x 28 x 8 voxels of 8 x 8 x 20 mm (224 x 224 x 160 mm)" in told
    assert "0 to 80 HU" in told
    assert "-800 to 2000 HU" in told
    assert SliceEncoder(folder).fit().volume_.settings().shape == (28, 28, 32)
    larger = SliceEncoder(folder, size=56).fit()
    assert larger.volume_.settings().shape == (56, 56, 32)
    assert larger.module_.size == 56


@pytest.mark.parametrize("fine_tune", [False, True])
@pytest.mark.parametrize("pool", ["mean", "slices", "attention"])
def test_a_classifier_takes_it_fixed_or_trains_it(folder, pool, fine_tune):
    clf = model(encoder(folder, pool=pool), fine_tune=fine_tune).fit(X, Y)
    proba = clf.predict_proba(X)
    assert proba.shape == (len(X), 2)
    network = clf.net_.module_
    attends = [m for m in network.scan_tokens.modules() if isinstance(m, GatedAttention)]
    assert bool(attends) == (pool == "attention")
    before = encoder(folder, pool=pool).fit().module_.backbone.state_dict()
    if fine_tune:
        after = network.encoder.backbone.state_dict()
        changed = [name for name in before if not torch.equal(before[name], after[name])]
        assert len(changed) > 30
    else:
        assert network.encoder is None
        assert network.scan_tokens.mean.shape == (24,)
    # What is held out is predicted by itself to the same.
    np.testing.assert_allclose(clf.predict_proba(X.iloc[[3]]), proba[[3]], rtol=1e-5)


def test_fixed_slices_are_encoded_once_for_all_that_learn_from_them(folder):
    before = features.n_encoded
    for pool in ("attention", "slices"):
        model(encoder(folder, pool=pool), fine_tune=False).fit(X, Y).predict_proba(X)
    assert features.n_encoded - before == len(SCANS)


def test_attention_finds_the_slice_that_a_mean_dilutes(folder):
    """A fixed backbone, and in one of the slices something bright."""
    parameters = {"fine_tune": False, "max_epochs": 60, "lr": 1e-2, "early_stopping": False}
    clf = model(encoder(folder, pool="attention"), **parameters).fit(X, Y)
    (pool,) = (m for m in clf.net_.module_.modules() if isinstance(m, GatedAttention))
    tokens = torch.tensor(clf.encoder_.transform(SCANS).reshape(len(SCANS), N_SLICES, -1))
    scan_tokens = clf.net_.module_.scan_tokens
    projected = scan_tokens.project
    with torch.no_grad():
        scaled = (tokens - scan_tokens.mean) / scan_tokens.scale
        weights = pool.weights(projected.project(scaled) + projected.positions).numpy()
    ill = np.flatnonzero(Y[X["scan"].notna()])
    bright = [SCANS[k].mean(axis=(0, 1)).argmax() for k in ill]
    assert np.mean([weights[k, z] for k, z in zip(ill, bright, strict=True)]) > 1.05 / N_SLICES
    assert clf.score(X, Y) > 0.9


def test_every_slice_may_ask_by_itself(folder):
    fusion = skedema.fusion.CrossAttention(query="tokens")
    clf = model(encoder(folder, pool="slices"), fine_tune=False, fusion=fusion).fit(X, Y)
    assert len(clf.attention(X.head(2), per_token=True)) == 2 * N_SLICES
    one = model(encoder(folder, pool="attention"), fine_tune=False, fusion=fusion).fit(X, Y)
    assert len(one.attention(X.head(2), per_token=True)) == 2


def test_it_stands_beside_others_and_within_mirrored_tokens(folder):
    parts = [("mean", encoder(folder)), ("slices", encoder(folder, pool="slices"))]
    clf = model(EncoderUnion(parts)).fit(X, Y)
    assert clf.encoder_.token_widths_ == {"mean": 24, "slices": 24 * N_SLICES}
    assert clf.predict_proba(X).shape == (len(X), 2)
    tokens = MirroredTokens(encoder(folder), n_components=3).fit(SCANS)
    found = tokens.transform(SCANS)
    np.testing.assert_allclose(found, tokens.transform_mirrored(SCANS), rtol=1e-4, atol=1e-5)
    of_mean = ScanFeatures(image="scan", encoder=encoder(folder, pool="attention"))
    whole = encoder(folder, pool="slices").fit().transform(SCANS)
    mean = whole.reshape(len(SCANS), N_SLICES, -1).mean(axis=1)
    found = of_mean.fit_transform(X)[X["scan"].notna()]
    np.testing.assert_allclose(found, mean, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("fine_tune", [False, True])
@pytest.mark.parametrize("pool", ["mean", "attention"])
def test_a_file_holds_it_without_the_folder(tmp_path, pool, fine_tune):
    place = tmp_path / "network"
    dinov2(place)
    clf = model(encoder(place, pool=pool), fine_tune=fine_tune).fit(X, Y)
    skedema.save(clf, tmp_path / "model.skedema")
    expected = clf.predict_proba(X)
    for file in place.iterdir():
        file.unlink()
    place.rmdir()
    features.clear()
    again = skedema.load(tmp_path / "model.skedema")
    np.testing.assert_array_equal(again.predict_proba(X), expected)
    assert str(tmp_path).encode() not in (tmp_path / "model.skedema").read_bytes()
    with pytest.raises(ValueError, match="does not say where weights lay"):
        again.fit(X, Y)
    dinov2(place)
    np.testing.assert_array_equal(
        again.set_params(encoder__backbone=place).fit(X, Y).predict_proba(X), expected
    )


def test_a_file_needs_the_library_that_makes_the_network(folder, tmp_path, monkeypatch):
    skedema.save(encoder(folder).fit(), tmp_path / "encoder.skedema")
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(ModelFileError, match="pip install timm transformers"):
        skedema.load(tmp_path / "encoder.skedema")


def test_features_are_known_by_weights_reader_and_precision(folder, tmp_path):
    base = encoder(folder).fit()
    dinov2(tmp_path / "copy")
    same = encoder(tmp_path / "copy").fit()
    assert same.features_digest() == base.features_digest()
    assert base.origin_["sha256"] in base.features_digest()
    others = [
        encoder(folder, pool="max"),
        encoder(folder, mean=[0.5] * 3),
        encoder(folder, size=42),
        encoder(folder, dtype="bfloat16"),
        encoder(folder, weights="random"),
        encoder(folder, volume=clone(READER).set_params(windows="brain")),
    ]
    digests = {each.fit().features_digest() for each in others}
    assert len(digests) == len(others)
    assert base.features_digest() not in digests
    again = pickle.loads(pickle.dumps(base))
    assert again.features_digest() == base.features_digest()


def test_random_weights_are_those_of_the_seed(folder):
    one, same, other = (
        encoder(folder, weights="random", random_state=seed).fit() for seed in (0, 0, 1)
    )
    assert one.features_digest() == same.features_digest() != other.features_digest()
    assert one.origin_["title"].endswith("random weights")


def test_frozen_it_is_used_as_it_is(folder):
    fitted = encoder(folder).fit()
    clf = model(FrozenEstimator(fitted)).fit(X, Y)
    assert clf.net_.module_.encoder is None


def test_what_does_not_go_together_is_refused_with_a_remedy(folder, tmp_path):
    with pytest.raises(ValueError, match="n_slices=9, and volume= reads 4: leave n_slices=None"):
        encoder(folder, n_slices=9).fit()
    two = clone(READER).set_params(windows=["brain", "bone"])
    with pytest.raises(ValueError, match="gives 2 channels, and the network takes 3"):
        encoder(folder, volume=two).fit()
    dinov2(tmp_path / "bare", prepared=False)
    with pytest.raises(ValueError, match=r"takes images of 3 channels.*mean=None"):
        encoder(tmp_path / "bare").fit()
    encoder(tmp_path / "bare", mean=MEAN, std=STD).fit()
    with pytest.raises(ValueError, match="cannot take an image of 5 x 5 pixels"):
        encoder(folder, size=5).fit()
    with pytest.raises(ValueError, match="'pool' parameter"):
        encoder(folder, pool="median").fit()
    four = {"num_channels": 4}
    dinov2(tmp_path / "four", prepared=False, **four)
    norm = {"mean": [0.5] * 4, "std": [0.5] * 4}
    with pytest.raises(ValueError, match="4 channels, for which there are no usual windows"):
        SliceEncoder(tmp_path / "four", **norm).fit()
    windows = ["brain", "subdural", "bone", "stroke"]
    reader = VolumeReader(shape=(16, 16, 4), windows=windows)
    SliceEncoder(tmp_path / "four", volume=reader, **norm).fit()


def test_names_of_the_libraries_lead_here():
    made = make_encoder("transformers:facebook/dinov2-small")
    assert isinstance(made, SliceEncoder)
    assert made.backbone == "transformers:facebook/dinov2-small"
    with pytest.raises(ValueError, match="lead to networks of timm"):
        skedema.encoders.register_encoder("timm:mine", lambda: None)


def test_of_two_scans_each_is_pooled_by_itself(folder):
    both = X.assign(later=X["scan"].to_numpy()[::-1])
    clf = model(encoder(folder, pool="attention"), fine_tune=False, image=["scan", "later"])
    assert clf.fit(both, Y).predict_proba(both).shape == (len(X), 2)
