from __future__ import annotations

import logging
import pickle
from importlib.util import find_spec
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import cross_validate
from sklearn.utils.estimator_checks import (
    check_get_params_invariance,
    check_no_attributes_set_in_init,
    check_parameters_default_constructible,
    check_set_params,
)

from skedema import AttentionMixerClassifier
from skedema._caching.identity import identity
from skedema._features import features
from skedema.encoders import MirroredTokens, PretrainedEncoder
from skedema.encoders.pretrained import FMHCT, recipe
from skedema.inspection import explain_scan
from skedema.scans import ScanError

from ._tiny import TINY, heads, saved, state_of

N = 12
Y = np.arange(N) % 2


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    return saved(state_of(), tmp_path_factory.mktemp("weights"))


@pytest.fixture
def encoder(weights) -> PretrainedEncoder:
    return PretrainedEncoder(weights, recipe=TINY)


def table() -> pd.DataFrame:
    age = np.random.default_rng(0).normal(60, 10, N)
    return pd.DataFrame({"scan": heads(N).array, "age": age})


def classifier(encoder, **parameters) -> AttentionMixerClassifier:
    small = {"dim": 8, "n_heads": 2, "max_epochs": 1, "n_members": 1, "random_state": 0}
    return AttentionMixerClassifier(image="scan", encoder=encoder, **(small | parameters))


def test_fit_only_loads_and_transform_gives_a_vector_a_scan(encoder):
    scans = heads(3)
    assert encoder.fit() is encoder
    found = encoder.transform(scans)
    assert (found.shape, found.dtype) == ((3, 24), np.float32)
    assert_array_equal(encoder.transform(scans.iloc[[2]]), found[[2]])
    assert_array_equal(clone(encoder).fit(scans, [0, 1, 0]).transform(scans), found)
    named = clone(encoder).set_output(transform="pandas").fit_transform(scans.to_frame())
    assert named.columns[1] == "pretrainedencoder1"
    assert named.index.tolist() == scans.index.tolist()
    with pytest.raises(ScanError, match="1 of 2 scans is missing, in row 1"):
        encoder.transform([scans.iloc[0], None])


def test_a_mirrored_scan_has_the_features_of_its_mirror_image(encoder):
    scans = heads(2)
    reader = encoder.fit().volume_
    volumes = torch.from_numpy(reader.transform(scans)).flip(2)
    with torch.no_grad():
        expected = encoder.module_(volumes)[:, 0]
    assert_allclose(encoder.transform_mirrored(scans), expected, atol=1e-6)


def test_conventions_of_scikit_learn(encoder):
    name = "PretrainedEncoder"
    check_no_attributes_set_in_init(name, encoder)
    check_get_params_invariance(name, encoder)
    check_set_params(name, encoder)
    for each in (FMHCT(), TINY):
        check_no_attributes_set_in_init(type(each).__name__, each)
        check_parameters_default_constructible(type(each).__name__, each)
        assert clone(each).get_params() == each.get_params()
    assert encoder.get_params()["recipe__dim"] == 24
    assert repr(PretrainedEncoder("w.pth", recipe="fm_hct")) == (
        "PretrainedEncoder(recipe='fm_hct', weights='w.pth')"
    )
    tags = encoder.__sklearn_tags__()
    assert tags.no_validation
    assert not tags.input_tags.two_d_array
    assert tags.requires_fit


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"recipe": "fm_htc"}, r"Unknown recipe 'fm_htc'\. Did you mean 'fm_hct'\?"),
        ({"recipe": "ct_fm", "pool": "cls"}, "pool='cls': CTFM gives 'mean' or 'patches'"),
        ({"pool": "max"}, "pool"),
        ({"dtype": "float16"}, "dtype"),
        ({"device": "cuda:99"}, "not on this machine"),
        ({"weights": None}, "set_params"),
    ],
)
def test_parameters_that_cannot_be(encoder, parameters, message):
    with pytest.raises(ValueError, match=message):
        encoder.set_params(**parameters).fit()
    assert not hasattr(encoder, "module_")


def test_what_was_loaded_is_told_once_with_its_licence(encoder, caplog, monkeypatch):
    monkeypatch.setattr(recipe, "_told", set())
    with caplog.at_level(logging.WARNING, logger="skedema"):
        encoder.fit()
        clone(encoder).fit()
    (record,) = caplog.records
    text = record.getMessage()
    for part in ("weights.pth", TINY.licence, TINY.citation, "28 keys fit"):
        assert part in text
    assert encoder.origin_["sha256"] in text
    assert encoder.origin_["sha256"] in encoder.summary()
    assert "licence: CC BY-NC-ND 4.0" in clone(encoder).summary()


def test_features_are_known_by_the_weights_and_all_else_that_decides(encoder, tmp_path):
    digest = encoder.fit().features_digest()
    assert encoder.origin_["sha256"] in digest
    assert clone(encoder).fit().features_digest() == digest
    assert pickle.loads(pickle.dumps(encoder)).features_digest() == digest
    others = [
        {"weights": saved(state_of(seed=1), tmp_path)},
        {"pool": "mean"},
        {"dtype": "bfloat16"},
        {"volume": TINY.reader().set_params(shape=24)},
    ]
    found = [clone(encoder).set_params(**each).fit().features_digest() for each in others]
    assert len({digest, *found}) == 5
    with torch.no_grad():
        encoder.module_.network.norm.bias += 1
    assert encoder.features_digest() != digest


def test_each_scan_is_encoded_once_in_a_cross_validation(encoder, tmp_path):
    X = table()
    for given in (encoder, FrozenEstimator(clone(encoder).fit())):
        features.clear()
        before = features.n_encoded
        cross_validate(classifier(given, fine_tune=False), X, Y, cv=2, error_score="raise")
        assert features.n_encoded - before == N
    nib.save(X["scan"][0], tmp_path / "scan.nii.gz")
    found = encoder.set_params(memory=tmp_path / "kept").fit().transform([tmp_path / "scan.nii.gz"])
    features.clear()
    before = features.n_encoded
    again = clone(encoder).fit().transform([str(tmp_path / "scan.nii.gz")])
    assert_array_equal(again, found)
    assert features.n_encoded == before


@pytest.mark.parametrize("inside", ["alone", "union", "regions"])
def test_weights_that_took_the_place_of_others_are_loaded(encoder, tmp_path, inside):
    X, path = table(), saved(state_of(), tmp_path)
    encoder.set_params(weights=path)
    given = {
        "alone": encoder,
        "union": [("whole", encoder)],
        "regions": MirroredTokens(encoder, n_components=2),
    }[inside]
    before = classifier(given, fine_tune=False).fit(X, Y).predict_proba(X)
    assert_array_equal(classifier(given, fine_tune=False).fit(X, Y).predict_proba(X), before)
    saved(state_of(seed=1), tmp_path)
    after = classifier(given, fine_tune=False).fit(X, Y).predict_proba(X)
    assert not np.allclose(after, before, atol=1e-6)


def test_a_recipe_that_was_registered_anew_counts(encoder, monkeypatch):
    monkeypatch.setitem(recipe.RECIPES._factories, "ours", lambda: clone(TINY))
    encoder.set_params(recipe="ours")
    before = identity(encoder)
    assert identity(clone(encoder)) == before
    other = clone(TINY).set_params(n_heads=3)
    monkeypatch.setitem(recipe.RECIPES._factories, "ours", lambda: other)
    assert identity(encoder) != before


def test_further_training_begins_with_the_features_and_leaves_the_encoder_as_it_was(encoder):
    X = table()
    frozen = FrozenEstimator(encoder.fit())
    weights = encoder.module_.network.class_token.detach().clone()
    volumes = torch.from_numpy(encoder.volume_.transform(X["scan"]))
    begins = encoder.network()(volumes).detach()
    assert_allclose(begins[:, 0], encoder.transform(X["scan"]), atol=1e-6)
    still = classifier(frozen, fine_tune=True, lr=1e-12, weight_decay=0.0).fit(X, Y)
    assert_allclose(still.encoder_(volumes).detach(), begins, atol=1e-6)
    moved = classifier(encoder, fine_tune=True, lr=1e-2, layer_decay=0.5).fit(X, Y)
    factors = {group["lr_factor"] for group in moved.net_.optimizer_.param_groups}
    assert factors == {1.0, 0.5, 0.25, 0.125}
    assert not np.allclose(moved.encoder_(volumes).detach(), begins, atol=1e-3)
    assert_array_equal(encoder.module_.network.class_token.detach(), weights)


def test_beside_others_in_a_union_and_region_by_region(encoder):
    X = table()
    both = [("whole", encoder), ("places", clone(encoder).set_params(pool="patches"))]
    found = classifier(both, fine_tune=False).fit(X, Y)
    assert found.encoder_.token_widths_ == {"whole": 24, "places": 8 * 24}
    regions = MirroredTokens(encoder, n_components=2).fit_transform(X["scan"])
    assert regions.shape == (N, 4)


@pytest.mark.parametrize("fine_tune", [False, True])
def test_where_it_looked_is_told(encoder, fine_tune):
    X = table()
    clf = classifier(encoder, fine_tune=fine_tune).fit(X, Y)
    methods = ["rollout", *(["gradient"] if find_spec("captum") else [])]
    for method in methods:
        where = explain_scan(clf, X.iloc[[0]], method=method)
        assert where.relevance.shape == (20, 20, 16)
        assert np.isfinite(where.relevance).all()
        assert where.relevance.any()


def test_bfloat16_is_near_float32(encoder):
    scans = heads(2)
    exact = encoder.fit().transform(scans)
    near = encoder.set_params(dtype="bfloat16").transform(scans)
    assert near.dtype == np.float32
    assert not np.array_equal(near, exact)
    assert_allclose(near, exact, atol=0.1)
