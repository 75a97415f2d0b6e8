"""Networks of timm, or of a stand-in with its interface where it cannot be imported."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import skedema
from skedema import AttentionMixerClassifier
from skedema.encoders import SliceEncoder
from skedema.encoders.pretrained import PretrainedWeightsError

from ._timm import real, stand_in
from ._tiny import READER, patients, seeded

REAL = real()
X, Y = patients(12)
SCANS = list(X["scan"].dropna())[:2]


@pytest.fixture(autouse=True)
def timm(monkeypatch):
    if not REAL:
        for name, module in stand_in().items():
            monkeypatch.setitem(sys.modules, name, module)
    return __import__("timm")


@pytest.fixture
def saved(timm, tmp_path):
    """Write the state of a network with its classifier, as those are that are published."""

    def save(name="test_vit", prefix="", **arguments):
        network = seeded(timm.create_model(name, num_classes=10, **arguments))
        for key, value in network.state_dict().items():
            if key.endswith("running_var"):
                value.abs_().add_(0.5)
        state = {prefix + key: value for key, value in network.state_dict().items()}
        torch.save(state, tmp_path / f"{name}.pth")
        return network, tmp_path / f"{name}.pth"

    return save


def encoder(name="test_vit", **parameters):
    return SliceEncoder(f"timm:{name}", **({"volume": READER} | parameters))


@pytest.mark.parametrize("name", ["test_vit", "test_resnet"])
def test_features_are_those_before_the_classifier(timm, saved, name):
    network, path = saved(name)
    fitted = encoder(name, weights=path).fit()
    side, told = fitted.module_.size, network.pretrained_cfg
    assert side == told["input_size"][-1]
    images = torch.rand(2, 3, side, side)
    bare = timm.create_model(name, num_classes=0)
    bare.load_state_dict(network.state_dict(), strict=False)
    with torch.no_grad():
        expected = bare.eval()(images)
        torch.testing.assert_close(fitted.module_.backbone(images), expected)
    assert fitted.module_.mean.flatten().tolist() == pytest.approx(told["mean"])
    assert fitted.module_.std.flatten().tolist() == pytest.approx(told["std"])
    assert fitted.origin_["licence"] == "apache-2.0"
    heads = [key for key in fitted.weights_report_.ignored if key.endswith("weight")]
    assert len(heads) == 1
    assert fitted.transform(SCANS).shape == (2, expected.shape[1])


def test_weights_are_taken_from_any_form(saved, tmp_path):
    network, path = saved(prefix="module.")
    save_file(network.state_dict(), tmp_path / "bare.safetensors")
    torch.save({"epoch": 3, "state_dict": network.state_dict()}, tmp_path / "checkpoint.pth")
    folder = tmp_path / "folder"
    folder.mkdir()
    save_file(network.state_dict(), folder / "model.safetensors")
    told = {"mean": [0.4, 0.4, 0.4], "std": [0.2, 0.2, 0.2], "license": "mit"}
    config = {"architecture": "test_vit", "pretrained_cfg": told}
    (folder / "config.json").write_text(json.dumps(config))
    found = [
        encoder(weights=each).fit().transform(SCANS)
        for each in (path, tmp_path / "bare.safetensors", tmp_path / "checkpoint.pth", folder)
    ]
    for each in found[1:]:
        np.testing.assert_array_equal(each, found[0])
    own = SliceEncoder(folder, volume=READER).fit()
    assert own.module_.mean.flatten().tolist() == pytest.approx([0.4] * 3)
    assert own.origin_["licence"] == "mit"


def test_other_channels_and_sizes(timm, saved):
    network, path = saved()
    gray = encoder(weights=path, arguments={"in_chans": 1}, mean=[0.5], std=[0.25], volume=None)
    fitted = gray.set_params(n_slices=4).fit()
    assert fitted.volume_.n_channels == 1
    first = network.pretrained_cfg["first_conv"]
    summed = network.get_submodule(first).weight.sum(dim=1, keepdim=True)
    found = fitted.module_.backbone.model.get_submodule(first).weight
    torch.testing.assert_close(found, summed)
    assert fitted.weights_report_.regenerated == (f"{first}.weight",)
    with pytest.raises(ValueError, match="takes images of 1 channels"):
        encoder(weights=path, arguments={"in_chans": 1}).fit()
    random = encoder(weights="random", size=64).fit()
    assert random.module_.size == 64
    assert random.module_.backbone.arguments == {"img_size": 64}


@pytest.mark.parametrize("how", ["missing", "left over", "another shape", "not finite", "kind"])
def test_every_key_has_to_fit(saved, tmp_path, how):
    network, _ = saved()
    state = dict(network.state_dict())
    name = next(key for key in state if key.startswith("blocks") and key.endswith("weight"))
    value = state[name]
    if how == "missing":
        del state[name]
    elif how == "left over":
        state["blocks.99.extra.weight"] = value
    else:
        state[name] = {
            "another shape": value[:1],
            "not finite": torch.full_like(value, torch.nan),
            "kind": value.half(),
        }[how]
    torch.save(state, tmp_path / "wrong.pth")
    wrong = "blocks.99.extra.weight" if how == "left over" else name
    with pytest.raises(PretrainedWeightsError, match=r"do not fit timm's test_vit") as told:
        encoder(weights=tmp_path / "wrong.pth").fit()
    assert wrong in str(told.value)
    assert not told.value.report.fits


def test_published_weights_come_from_the_cache_unless_the_hub_is_asked(saved, monkeypatch):
    network, path = saved()
    asked = []

    def download(repository, filename, revision, local_files_only):
        asked.append((repository, filename, revision, local_files_only))
        if local_files_only:
            raise FileNotFoundError("not in the cache")
        return str(path)

    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(hub, "hf_hub_download", download)
    with pytest.raises(FileNotFoundError, match=r"local_files_only=False fetches them"):
        encoder().fit()
    fitted = encoder(local_files_only=False, revision="abc").fit()
    told = network.pretrained_cfg
    assert asked[0][0] == asked[1][0] == told["hf_hub_id"]
    assert asked[1][2:] == ("abc", False)
    np.testing.assert_array_equal(
        fitted.transform(SCANS), encoder(weights=path).fit().transform(SCANS)
    )


def test_batch_normalisation_keeps_to_what_it_has_learned_and_is_not_trained(saved):
    _, path = saved("test_resnet")
    quick = {"image": "scan", "max_epochs": 1, "dim": 8, "n_members": 1, "random_state": 0}
    clf = AttentionMixerClassifier(encoder=encoder("test_resnet", weights=path), **quick)
    with pytest.raises(ValueError, match=r"batch normalisation.*fine_tune=False"):
        clf.fit(X, Y)
    assert clf.set_params(fine_tune=False).fit(X, Y).predict(X).shape == Y.shape


def test_it_is_trained_further_and_held_by_a_file(saved, tmp_path):
    _, path = saved()
    quick = {"image": "scan", "max_epochs": 1, "dim": 8, "n_members": 1, "random_state": 0}
    attended = encoder(weights=path, pool="attention")
    clf = AttentionMixerClassifier(encoder=attended, fine_tune=True, **quick).fit(X, Y)
    skedema.save(clf, tmp_path / "model.skedema")
    path.unlink()
    again = skedema.load(tmp_path / "model.skedema")
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
    assert again.encoder.backbone == "timm:test_vit"
    with pytest.raises(ValueError, match="does not say where weights lay"):
        again.fit(X, Y)


def test_names_and_arguments_that_there_are_not(tmp_path):
    with pytest.raises(ValueError, match=r"timm has no model 'test_vitt'. Did you mean 'test_vit"):
        encoder("test_vitt").fit()
    for name in ("pretrained", "checkpoint_path", "num_classes", "pretrained_cfg_overlay"):
        with pytest.raises(ValueError, match="is not for the user to give"):
            encoder(weights="random", arguments={name: 1}).fit()


def test_without_the_library_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ImportError, match="pip install timm transformers"):
        encoder(weights="random").fit()
