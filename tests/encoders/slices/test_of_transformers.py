from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from skedema.encoders import SliceEncoder
from skedema.encoders.pretrained import PretrainedWeightsError
from skedema.encoders.slices.of_transformers import TransformersBackbone

from ._tiny import MEAN, READER, SIDE, SIZES, STD, dinov2, patients, seeded

transformers = pytest.importorskip("transformers")
SCANS = list(patients(4)[0]["scan"].dropna())[:2]
USUAL = {"volume": READER, "mean": MEAN, "std": STD}
STAGES = {"depths": [1, 1], "hidden_sizes": [8, 16]}
FAMILIES = {
    "ViTModel": ("ViTConfig", SIZES),
    "DINOv3ViTModel": ("DINOv3ViTConfig", SIZES),
    "CLIPVisionModel": ("CLIPVisionConfig", SIZES),
    "ConvNextModel": ("ConvNextConfig", STAGES | {"num_stages": 2, "drop_path_rate": 0.1}),
    "ResNetModel": ("ResNetConfig", STAGES | {"embedding_size": 8, "layer_type": "basic"}),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_other_families(family, tmp_path):
    config, sizes = FAMILIES[family]
    network = seeded(getattr(transformers, family)(getattr(transformers, config)(**sizes)))
    for name, value in network.state_dict().items():
        if name.endswith("running_var"):
            value.abs_().add_(0.5)
    network.save_pretrained(tmp_path)
    fitted = SliceEncoder(tmp_path, size=SIDE, **USUAL).fit()
    images = torch.rand(2, 3, SIDE, SIDE)
    with torch.no_grad():
        expected = network(images).pooler_output.flatten(1)
        torch.testing.assert_close(fitted.module_.backbone(images), expected)
    again = TransformersBackbone(fitted.module_.backbone.config)
    again.load_state_dict(fitted.module_.backbone.state_dict(), strict=True)
    with torch.no_grad():
        torch.testing.assert_close(again.eval()(images), expected)


def test_a_network_of_images_and_texts_gives_its_images(tmp_path):
    text = {**SIZES, "vocab_size": 9, "max_position_embeddings": 7}
    config = transformers.CLIPConfig(vision_config=SIZES, text_config=text, projection_dim=8)
    network = seeded(transformers.CLIPModel(config))
    network.save_pretrained(tmp_path)
    fitted = SliceEncoder(tmp_path, **USUAL).fit()
    images = torch.rand(2, 3, SIDE, SIDE)
    with torch.no_grad():
        expected = network.vision_model(images).pooler_output
        torch.testing.assert_close(fitted.module_.backbone(images), expected)
    assert any("text_model" in key for key in fitted.weights_report_.ignored)
    file = tmp_path / "model.safetensors"
    state = load_file(file)
    extra = "vision_model.encoder.layers.7.layer_norm1.bias"
    state[extra] = state[extra.replace("7", "1")].clone()
    save_file(state, file)
    with pytest.raises(PretrainedWeightsError, match=r"1 left over: \S*encoder\.layers\.7"):
        SliceEncoder(tmp_path, **USUAL).fit()


def test_weights_of_a_classifier_have_no_pooler_and_need_none(tmp_path):
    config = transformers.ViTConfig(**SIZES, num_labels=3)
    network = seeded(transformers.ViTForImageClassification(config))
    network.save_pretrained(tmp_path)
    fitted = SliceEncoder(tmp_path, **USUAL).fit()
    images = torch.rand(2, 3, SIDE, SIDE)
    with torch.no_grad():
        expected = network.vit(images).last_hidden_state[:, 0]
        torch.testing.assert_close(fitted.module_.backbone(images), expected)
    assert set(fitted.weights_report_.ignored) == {"classifier.weight", "classifier.bias"}


@pytest.mark.parametrize("how", ["missing", "left over", "another shape", "not finite"])
def test_every_key_has_to_fit(tmp_path, how):
    dinov2(tmp_path)
    file = tmp_path / "model.safetensors"
    state = load_file(file)
    name = "encoder.layer.1.mlp.fc1.weight"
    value = state.pop(name)
    if how == "left over":
        state |= {name: value, name.replace("layer.1", "layer.7"): value.clone()}
        name = name.replace("layer.1", "layer.7")
    elif how != "missing":
        state[name] = value[:1].clone() if how == "another shape" else value * torch.nan
    save_file(state, file)
    with pytest.raises(PretrainedWeightsError, match="do not fit transformers'") as told:
        SliceEncoder(tmp_path, volume=READER).fit()
    assert name in str(told.value)


def test_weights_of_ones_own_in_the_network_of_a_folder(tmp_path):
    dinov2(tmp_path / "first")
    other = dinov2(tmp_path / "second")
    trained = seeded(other, seed=7)
    state = {f"module.dinov2.{key}": value for key, value in trained.state_dict().items()}
    state["module.classifier.weight"] = torch.zeros(2, 24)
    torch.save({"model": state}, tmp_path / "own.pth")
    fitted = SliceEncoder(tmp_path / "first", weights=tmp_path / "own.pth", volume=READER).fit()
    found = fitted.module_.backbone.model.state_dict()
    assert all(torch.equal(found[key], value) for key, value in trained.state_dict().items())
    assert "classifier.weight" in " ".join(fitted.weights_report_.ignored)


def test_a_name_is_looked_for_in_the_cache_unless_the_hub_is_asked(tmp_path, monkeypatch):
    dinov2(tmp_path)
    asked = []

    def download(repository, allow_patterns, revision, local_files_only):
        asked.append((repository, revision, local_files_only))
        if local_files_only:
            raise FileNotFoundError("not in the cache")
        return str(tmp_path)

    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(hub, "snapshot_download", download)
    named = SliceEncoder("transformers:facebook/dinov2-small", volume=READER)
    with pytest.raises(FileNotFoundError, match="local_files_only=False fetches them"):
        named.fit()
    fitted = named.set_params(local_files_only=False, revision="abc").fit()
    assert asked == [("facebook/dinov2-small", None, True), ("facebook/dinov2-small", "abc", False)]
    assert fitted.origin_["source"] == "facebook/dinov2-small"
    local = SliceEncoder(tmp_path, volume=READER).fit()
    np.testing.assert_array_equal(fitted.transform(SCANS), local.transform(SCANS))


def test_a_network_with_features_by_chance_is_refused_and_the_remedy_works(tmp_path):
    sizes = {**SIZES, "patch_size": 4, "decoder_num_hidden_layers": 1, "mask_ratio": 0.5}
    network = transformers.ViTMAEForPreTraining(transformers.ViTMAEConfig(**sizes))
    network.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="other features each time"):
        SliceEncoder(tmp_path, **USUAL).fit()
    vit = SliceEncoder(tmp_path, arguments={"model_type": "vit"}, **USUAL).fit()
    assert any("decoder" in key for key in vit.weights_report_.ignored)


def test_torch_is_left_as_it_is(tmp_path):
    dinov2(tmp_path)
    for name in ("smart_apply",):  # what transformers leaves behind when it makes a network
        if hasattr(torch.nn.Module, name):
            delattr(torch.nn.Module, name)
    before = dict(vars(torch.nn.Module))
    SliceEncoder(tmp_path, volume=READER).fit()
    assert dict(vars(torch.nn.Module)) == before


def test_what_is_read_from_elsewhere_is_refused(tmp_path):
    config = {"model_type": "timm_wrapper", "architecture": "resnet18"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="is made of another network"):
        SliceEncoder(tmp_path, weights="random", **USUAL).fit()
    with pytest.raises(ValueError, match=r"read from elsewhere \(use_pretrained_backbone\)"):
        TransformersBackbone({"model_type": "dinov2", "use_pretrained_backbone": True})


def test_without_the_library_it_says_how_to_install_it(tmp_path, monkeypatch):
    dinov2(tmp_path)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match="pip install timm transformers"):
        SliceEncoder(tmp_path, volume=READER).fit()
