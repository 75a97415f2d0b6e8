from __future__ import annotations

import pickle

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import StratifiedKFold, cross_validate
from sklearn.pipeline import make_pipeline

from skedema import AttentionMixerClassifier, ScanError, ViTAutoencoder, VolumeReader
from skedema._features import features
from skedema.encoders import CNN, Density, MirroredTokens, MonaiEncoder, ViT
from skedema.modules.mirror import mirrored
from skedema.scans.cache import volumes

pytestmark = pytest.mark.numerical

AGES = np.random.default_rng(0).normal(60, 10, 20)
READER = VolumeReader(spacing=None, shape=(16, 12, 8))
TINY = ViT(dim=12, depth=1, n_heads=2, patch=4)
TINY_AUTOENCODER = ViTAutoencoder(
    size="tiny", dim=12, depth=1, n_heads=2, decoder_depth=1, patch=4, max_epochs=1, random_state=0
)


def heads(n: int, seed: int = 0) -> pd.Series:
    """Arrays in HU of the reader's shape, with an index and a name."""
    rng = np.random.default_rng(seed)
    cells = [rng.normal(40, 15, READER.settings().shape) for _ in range(n)]
    return pd.Series(cells, index=[f"P{k}" for k in range(n)], name="scan")


def make(encoder=TINY, **parameters) -> MirroredTokens:
    return MirroredTokens(encoder, **({"volume": READER} | parameters))


def test_features_are_components_of_means_and_differences_of_unit_spread():
    scans = heads(12)
    tokens = make(n_components=3).fit(scans)
    features = tokens.transform(scans)
    assert features.shape == (12, 6)
    assert_allclose(features.mean(axis=0), 0, atol=1e-5)
    assert_allclose(features.std(axis=0), 1, rtol=1e-5)
    assert tokens.get_feature_names_out().tolist() == [
        f"{kind} of the sides {k}" for kind in ("mean", "difference") for k in (1, 2, 3)
    ]
    # A component is the same linear function of every scan's tokens.
    volume = torch.as_tensor(READER.transform(heads(40, seed=1)))
    with torch.no_grad():
        pairs = tokens.module_(volume).flatten(2).numpy()
    found = tokens.transform(heads(40, seed=1))
    for part in (0, 1):
        weights = np.linalg.lstsq(pairs[:, part] - pairs[:, part].mean(0), found, rcond=None)[0]
        assert weights.shape == (pairs.shape[2], 6)


@pytest.mark.parametrize(
    ("sides", "n", "same"),
    [("paired", 4, True), ("mean", 2, True), ("difference", 2, True), ("apart", 2, False)],
)
def test_a_mirrored_scan_is_the_same_unless_sides_are_kept_apart(sides, n, same):
    scans = heads(8)
    tokens = make(sides=sides, n_components=2).fit(scans)
    features = tokens.transform(scans)
    assert features.shape == (8, n)
    flipped = tokens.transform([scan[::-1] for scan in scans])
    assert np.array_equal(features, flipped) is same
    assert_array_equal(tokens.transform_mirrored(scans), flipped)


def test_a_finding_of_one_side_is_a_difference_and_one_of_both_a_mean():
    rng = np.random.default_rng(0)
    scans, left, both = [], rng.uniform(0, 30, 40), rng.uniform(0, 30, 40)
    for one, other in zip(left, both, strict=True):
        scan = 40 + rng.normal(0, 1, READER.settings().shape)
        scan[2:6, 4:8, 2:6] += one
        scan[1:-1, 8:11] -= other
        scans.append(scan)
    table = make(n_components=4).set_output(transform="pandas").fit_transform(scans)
    size = {
        name: (table.filter(like=name), target)
        for name, target in [("difference", left), ("mean", both)]
    }
    for columns, target in size.values():
        fit = np.linalg.lstsq(np.c_[columns, np.ones(40)], target, rcond=None)[0]
        assert np.corrcoef(np.c_[columns, np.ones(40)] @ fit, target)[0, 1] > 0.9


def test_features_do_not_depend_on_other_scans_or_on_where_they_are_kept(tmp_path):
    scans = heads(10)
    tokens = make(memory=tmp_path).fit(scans)
    every = tokens.transform(scans)
    assert_array_equal(tokens.transform(scans.iloc[[7, 2]]), every[[7, 2]])
    features.clear()
    assert_array_equal(pickle.loads(pickle.dumps(tokens)).transform(scans), every)
    assert_array_equal(clone(tokens).fit(scans).transform(scans), every)
    assert_allclose(clone(tokens).fit(scans.iloc[::-1]).transform(scans), every, atol=1e-4)
    assert clone(tokens).fit(scans.iloc[1:]).features_digest() != tokens.features_digest()


@pytest.mark.parametrize(("n", "expected"), [(2, 1), (9, 6), (66, 16), (300, 32)])
def test_number_of_components_follows_the_number_of_scans(n, expected):
    assert len(make(sides="mean").fit(heads(n)).get_feature_names_out()) == expected


def test_regions_have_components_and_tokens_of_their_own():
    scans = heads(12)
    tokens = make(regions=(1, 3, 2)).fit(scans)
    names = [f"{a}, {b}" for a in ("back", "middle", "front") for b in ("lower", "upper")]
    assert tokens.token_widths_ == dict.fromkeys(names, 4)
    assert tokens.get_feature_names_out()[4] == "back, upper: mean of the sides 1"
    assert_allclose(tokens.transform(scans).std(axis=0), 1, rtol=1e-4)
    assert not hasattr(make().fit(scans), "token_widths_")
    X = pd.DataFrame({"scan": scans, "age": AGES[:12]})
    clf = AttentionMixerClassifier(image="scan", encoder=make(regions=(1, 3, 2)), max_epochs=1)
    clf.fit(X, np.arange(12) % 2)
    assert clf.encoder_.token_widths_ == tokens.token_widths_


def test_regions_that_cannot_be_are_an_error():
    for regions in ((1, 2), (3, 1, 1), (1, 0, 1), (1, 1.5, 1)):
        with pytest.raises(ValueError, match=r"regions=.*three whole numbers"):
            make(regions=regions).fit(heads(3))
    with pytest.raises(ValueError, match="divides 2 tokens along z into 3"):
        make(regions=(1, 1, 3)).fit(heads(3))


@pytest.mark.parametrize(
    "encoder",
    [None, "vit_ae", CNN(width=8, depth=2), "frozen", "vit"],
)
def test_every_encoder_that_gives_a_token_a_region_will_do(encoder):
    scans = heads(6)
    if encoder == "vit_ae":
        encoder = TINY_AUTOENCODER
    if encoder == "frozen":
        encoder = FrozenEstimator(clone(TINY_AUTOENCODER).set_params(volume=READER).fit(scans))
    tokens = make(encoder).fit(scans)
    assert np.isfinite(tokens.transform(scans)).all()
    assert tokens.volume_.settings() == READER.settings()


def test_an_autoencoder_is_pretrained_on_the_scans_and_a_frozen_one_is_not():
    scans = heads(6)
    autoencoder = clone(TINY_AUTOENCODER).set_params(volume=READER).fit(scans)
    learned = make(TINY_AUTOENCODER).fit(scans)
    assert (
        learned.features_digest() == make(FrozenEstimator(autoencoder)).fit(scans).features_digest()
    )
    untrained = make(clone(TINY_AUTOENCODER).set_params(max_epochs=0)).fit(scans)
    assert untrained.features_digest() != learned.features_digest()


@pytest.mark.parametrize("encoder", [Density(), make_pipeline(VolumeReader(shape=8))])
def test_what_does_not_tell_the_region_of_a_token_is_refused(encoder):
    with pytest.raises(TypeError, match=r"tells the grid.*ViT\(\).*the classifier itself"):
        make(encoder).fit(heads(3))


def test_a_transformer_whose_network_gives_no_tokens_is_refused():
    class Plain(ViTAutoencoder):
        def network(self):
            return super().network()

    with pytest.raises(TypeError, match=r"Plain does not tell"):
        make(Plain(size="tiny", patch=4, max_epochs=0)).fit(heads(3))


def test_a_device_that_is_named_outside_reaches_what_leaves_it_open():
    X, y = pd.DataFrame({"scan": heads(8)}), np.arange(8) % 2
    given = {"image": "scan", "device": "cpu", "dim": 8, "max_epochs": 1, "random_state": 0}
    inner = clone(TINY_AUTOENCODER).set_params(max_epochs=0)
    clf = AttentionMixerClassifier(encoder=make(inner), **given).fit(X, y)
    assert clf.encoder_.device == "cpu"
    own = AttentionMixerClassifier(encoder=make(inner, device=torch.device("cpu")), **given)
    assert own.fit(X, y).encoder_.device == torch.device("cpu")


def test_training_scans_are_described_by_what_fit_computed(monkeypatch):
    scans, tokens = heads(6, seed=11), make()
    tokens.fit(scans)
    monkeypatch.setattr(type(tokens), "_derive", None)  # nothing is left to derive
    assert tokens.transform(scans).shape[0] == 6


def test_a_module_without_a_grid_is_refused():
    pytest.importorskip("monai")
    with pytest.raises(TypeError, match=r"MonaiEncoder does not tell"):
        make(MonaiEncoder("ViT", arguments={"patch_size": 4})).fit(heads(3))


def test_missing_scans_are_named():
    scans = heads(4)
    scans.iloc[2] = None
    for method in (make().fit, make().fit(heads(4)).transform):
        with pytest.raises(ScanError, match=r"1 of 4 scans is missing.*row 2"):
            method(scans)


def test_arrays_are_read_as_they_are_by_default_with_one_warning():
    X = pd.DataFrame({"scan": heads(8), "age": AGES[:8]})
    clf = AttentionMixerClassifier(image="scan", max_epochs=1)
    with pytest.warns(UserWarning, match=r"8 of 8 scans.*no geometry.*use template=None") as told:
        clf.fit(X, np.arange(8) % 2)
    assert len(told) == 1
    with pytest.warns(UserWarning, match="no geometry") as told:
        proba = clf.predict_proba(X)
    assert len(told) == 1
    assert proba.shape == (8, 2)
    clf.set_params(volume=VolumeReader(spacing=None, shape=16)).fit(X, np.arange(8) % 2)


def test_no_grid_is_too_small_for_the_default():
    for shape in (3, (8, 9, 4), (16, 40, 16)):
        tokens = MirroredTokens(volume=VolumeReader(spacing=None, shape=shape)).fit(heads(4))
        assert tokens.transform(heads(4)).shape == (4, 6)


def test_progress_is_shown_once(capsys):
    make(verbose=1).fit(heads(5, seed=9)).transform(heads(5, seed=9))
    shown = capsys.readouterr().err
    assert "encoding scans" in shown
    assert "5/5" in shown


def test_folds_and_seeds_share_the_tokens_of_the_default():
    cells = [nib.Nifti1Image(head.astype(np.float32), np.eye(4)) for head in heads(12, seed=5)]
    X, y = pd.DataFrame({"scan": cells, "age": AGES[:12]}), np.arange(12) % 2
    reader = VolumeReader(spacing=None, shape=16)
    encoded, reads = features.n_encoded, volumes.n_reads
    clf = AttentionMixerClassifier(image="scan", volume=reader, max_epochs=1)
    for cv in (2, StratifiedKFold(3, shuffle=True, random_state=0)):
        cross_validate(clf, X, y, cv=cv)
    assert features.n_encoded - encoded == 12
    assert volumes.n_reads - reads == 12
    assert clf.fit(X, y).encoder_.sides == "paired"


def test_mirrored_views_of_tokens_apart_are_the_tokens_of_mirrored_volumes():
    scans = heads(4)
    tokens = make(sides="apart").fit(scans)
    volume = torch.as_tensor(READER.transform(scans))
    with torch.no_grad():
        there = tokens.module_(mirrored(volume)).numpy()
    expected = np.array([tokens._derive(each) for each in there])
    assert_allclose(tokens.transform_mirrored(scans), expected, atol=1e-4)


def test_fit_tells_of_odd_scans_once_also_where_it_pre_trains():
    reader = VolumeReader(template="head", shape=READER.shape)
    with pytest.warns(UserWarning, match=r"^4 of 4 scans are read .*no geometry") as told:
        make(TINY_AUTOENCODER, volume=reader).fit(heads(4))
    assert len(told) == 1
