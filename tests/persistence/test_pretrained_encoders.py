"""Models with weights that others have trained: saved whole, without their file or its place."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

import skedema
from skedema import AttentionMixerClassifier, export_onnx
from skedema._features import features
from skedema.encoders import PretrainedEncoder
from skedema.encoders.pretrained import CTFM, HLIPHeadCT, MonaiWeights, Recipe, register_recipe
from skedema.persistence._file import load_with

from ..encoders.pretrained._tiny import PLAIN, TINY, heads, saved, seeded, state_of

N = 10
Y = np.arange(N) % 2


@pytest.fixture
def encoder(tmp_path) -> PretrainedEncoder:
    return PretrainedEncoder(saved(state_of(), tmp_path, "secret_place.pth"), recipe=TINY).fit()


def table() -> pd.DataFrame:
    age = np.random.default_rng(0).normal(60, 10, N)
    return pd.DataFrame({"scan": heads(N).array, "age": age})


def classifier(encoder, **parameters) -> AttentionMixerClassifier:
    small = {"dim": 8, "n_heads": 2, "max_epochs": 1, "n_members": 1, "random_state": 0}
    return AttentionMixerClassifier(image="scan", encoder=encoder, **(small | parameters))


def loaded(model, folder):
    """Save, forget the weights' file, and load."""
    skedema.save(model, folder / "model.skedema")
    for path in folder.glob("*.pth"):
        path.unlink()
    features.clear()
    return skedema.load(folder / "model.skedema")


@pytest.mark.parametrize("fine_tune", [False, True])
@pytest.mark.parametrize("frozen", [False, True])
def test_a_classifier_is_whole_without_the_file_of_its_weights(
    encoder, tmp_path, fine_tune, frozen
):
    X = table()
    given = FrozenEstimator(encoder) if frozen else encoder
    clf = classifier(given, fine_tune=fine_tune).fit(X, Y)
    expected = clf.predict_proba(X)
    again = loaded(clf, tmp_path)
    assert_array_equal(again.predict_proba(X), expected)
    body = (tmp_path / "model.skedema").read_bytes()
    assert b"secret_place" not in body
    _, manifest = load_with(tmp_path / "model.skedema")
    (origin,) = manifest["weights_of"]
    assert origin == encoder.origin_
    assert origin["licence"].startswith("CC BY-NC-ND")
    if not frozen:
        with pytest.raises(ValueError, match=r"weights=None.*set_params\(weights"):
            clone(again).fit(X, Y)


def test_an_encoder_by_itself_is_the_same_after_loading(encoder, tmp_path):
    scans = heads(2)
    expected, digest = encoder.transform(scans), encoder.features_digest()
    again = loaded(encoder, tmp_path)
    assert again.weights is None
    assert again.features_digest() == digest
    assert again.origin_ == encoder.origin_
    assert again.weights_report_ == encoder.weights_report_
    assert_array_equal(again.transform(scans), expected)


def test_a_folder_names_the_weights_their_licence_and_what_to_cite(encoder, tmp_path):
    scans = heads(2)
    encoder.save_pretrained(tmp_path / "folder")
    card = (tmp_path / "folder" / "README.md").read_text("utf-8")
    assert "## Weights of others" in card
    for part in ("FM-HCT", "CC BY-NC-ND 4.0", "arXiv 2502.02779", encoder.origin_["sha256"]):
        assert part in card
    config = json.loads((tmp_path / "folder" / "config.json").read_text("utf-8"))
    assert config["weights_of"] == [encoder.origin_]
    again = PretrainedEncoder.from_pretrained(tmp_path / "folder")
    assert_array_equal(again.transform(scans), encoder.transform(scans))


def test_a_model_without_weights_of_others_tells_of_none(tmp_path):
    X = pd.DataFrame({"age": np.random.default_rng(0).normal(60, 10, 20)})
    clf = AttentionMixerClassifier(max_epochs=1).fit(X, np.arange(20) % 2)
    skedema.save(clf, tmp_path / "model.skedema")
    assert load_with(tmp_path / "model.skedema")[1]["weights_of"] == []


@pytest.mark.parametrize("name", ["hlip", "ct_fm", "monai"])
def test_every_recipe_is_kept(tmp_path, name):
    volume = {}
    if name == "hlip":
        recipe = HLIPHeadCT(dim=24, depth=2, n_heads=2, patch=(4, 8, 8), shape=(64, 64, 8))
    else:
        pytest.importorskip("monai")
        sizes = {"patch": (8, 16, 16), "shape": (32, 32, 16)}
        recipe = CTFM(blocks_down=(1, 1), init_filters=8, **sizes)
    if name == "monai":
        volume = {"volume": PLAIN}
        recipe = MonaiWeights("resnet10", dim=4, arguments={"widen_factor": 0.125})
    path = saved(state_of(recipe), tmp_path)
    encoder = PretrainedEncoder(path, recipe=recipe, **volume).fit()
    scans = heads(2)
    expected = encoder.transform(scans)
    assert_array_equal(loaded(encoder, tmp_path).transform(scans), expected)


class Ours(Recipe):
    title, licence, citation, source = "ours", "none", "us", "here"
    pools = ("mean",)

    def reader(self):
        return PLAIN

    def build(self, *, in_channels, shape):
        return TINY.build(in_channels=in_channels, shape=shape)


def test_a_recipe_of_another_package_is_kept_by_its_name(tmp_path):
    register_recipe("ours", Ours)
    network = seeded(Ours().build(in_channels=3, shape=(16, 16, 16)))
    path = saved(Ours().state(network), tmp_path)
    encoder = PretrainedEncoder(path, recipe="ours").fit()
    expected = encoder.transform(heads(1))
    assert_array_equal(loaded(encoder, tmp_path).transform(heads(1)), expected)


@pytest.mark.slow
@pytest.mark.parametrize("fine_tune", [False, True])
def test_graphs_give_what_the_model_gives(encoder, tmp_path, fine_tune):
    onnxruntime = pytest.importorskip("onnxruntime")
    X = table()
    clf = classifier(encoder, fine_tune=fine_tune).fit(X, Y)
    export_onnx(clf, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    given = {
        "volume": clf.volume_.transform(X["scan"]),
        "scan_missing": np.zeros(N, dtype=bool),
        "clinical": X[["age"]].to_numpy(np.float64),
        "clinical_missing": np.zeros((N, 1), dtype=bool),
    }
    assert_allclose(session.run(None, given)[0], clf.predict_proba(X), atol=1e-5)
