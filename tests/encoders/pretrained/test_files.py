from __future__ import annotations

import hashlib
import os

import pytest
import torch
from numpy.testing import assert_array_equal
from safetensors.torch import save_file

from skedema.encoders.pretrained import PretrainedEncoder, WeightsError

from ._tiny import TINY, saved, state_of


class Malicious:
    def __reduce__(self):
        return os.mkdir, ("ran",)


def load(path, **parameters):
    return PretrainedEncoder(path, recipe=TINY, **parameters).fit()


def test_all_forms_hold_the_same_weights(tmp_path):
    state = state_of()
    pth = saved(state, tmp_path)
    save_file(state, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text("{}")
    for path in (str(pth), tmp_path / "model.safetensors", tmp_path):
        encoder = load(path)
        assert_array_equal(
            encoder.module_.network.embed.bias.detach(),
            state["patch_embedding.patch_embeddings.bias"],
        )
    expected = hashlib.sha256((tmp_path / "model.safetensors").read_bytes()).hexdigest()
    assert encoder.origin_["sha256"] == expected


def test_a_pickle_that_would_run_code_does_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = saved({"state_dict": state_of(), "args": Malicious()}, tmp_path)
    with pytest.raises(WeightsError, match=r"would have to run code.*bare weights") as raised:
        load(path)
    assert str(path) in str(raised.value)
    assert "mkdir" in str(raised.value)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["weights.pth", "model.safetensors"])
@pytest.mark.parametrize("kept", [0, 1000, 0.9])
def test_a_file_that_was_cut_short(tmp_path, name, kept):
    path = tmp_path / name
    if name == "weights.pth":
        saved(state_of(), tmp_path)
    else:
        save_file(state_of(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: kept if kept != 0.9 else int(len(whole) * kept)])
    with pytest.raises(WeightsError, match=r"damaged|or it is damaged") as raised:
        load(path)
    assert str(path) in str(raised.value)


def test_files_that_are_not_there_or_hold_no_weights(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no such file\. Weights are never fetched"):
        load(tmp_path / "nothing.pth")
    with pytest.raises(WeightsError, match=r"has no config\.json and no model\.safetensors"):
        load(tmp_path)
    (tmp_path / "model.safetensors").touch()
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(WeightsError, match=r"config\.json: is no JSON"):
        load(tmp_path)
    with pytest.raises(WeightsError, match="holds no weights"):
        load(saved([1, 2], tmp_path))
    with pytest.raises(WeightsError, match="holds no weights"):
        load(saved({"epoch": 3}, tmp_path))


@pytest.mark.filterwarnings("ignore")  # of tracing
def test_a_network_of_torchscript_is_told_and_the_remedy(tmp_path):
    network = TINY.build(in_channels=3, shape=(16, 16, 16)).eval()
    traced = torch.jit.trace(network, torch.zeros(1, 3, 16, 16, 16))
    traced.save(tmp_path / "traced.pt")
    with pytest.raises(WeightsError, match=r"is a network of TorchScript") as raised:
        load(tmp_path / "traced.pt")
    assert "torch.save(torch.jit.load(path).state_dict(), another_path)" in str(raised.value)
    state = torch.jit.load(tmp_path / "traced.pt").state_dict()
    assert load(saved({TINY.key(k): v for k, v in state.items()}, tmp_path)).weights_report_.fits


def test_of_a_folder_without_a_config_its_file_is_named(tmp_path):
    saved(state_of(), tmp_path, "pytorch_model.bin")
    with pytest.raises(WeightsError, match=r"Give the file in it, such as (.*)\.$") as raised:
        load(tmp_path)
    load(str(raised.value).rpartition("such as ")[2].removesuffix("."))


def test_weights_elsewhere_in_a_file_than_looked_for_and_the_remedies(tmp_path):
    state = state_of()
    with pytest.raises(WeightsError, match=r"without entries: leave entry=None"):
        load(saved(state, tmp_path), entry="state_dict")
    mixed = state | {"epoch": 3}
    with pytest.raises(WeightsError, match=r"save \{key: value for .*isinstance\(value, torch\.T"):
        load(saved(mixed, tmp_path))
    load(saved({k: v for k, v in mixed.items() if isinstance(v, torch.Tensor)}, tmp_path))
    with pytest.raises(WeightsError, match=r"Deeper in it there are some"):
        load(saved({"model": {"net": state}}, tmp_path))


def test_a_folder_of_save_pretrained_and_the_remedy(tmp_path):
    encoder = load(saved(state_of(), tmp_path))
    encoder.save_pretrained(tmp_path / "folder")
    with pytest.raises(WeightsError, match=r"read by PretrainedEncoder\.from_pretrained"):
        load(tmp_path / "folder")
    again = PretrainedEncoder.from_pretrained(tmp_path / "folder")
    assert again.features_digest() == encoder.features_digest()


def test_an_entry_of_a_checkpoint_that_no_recipe_knows_and_the_remedy(tmp_path):
    path = saved({"ema": state_of(), "other": {"a": torch.zeros(1)}, "epoch": 3}, tmp_path)
    with pytest.raises(WeightsError, match=r"Give entry= one of 'ema', 'other'"):
        load(path)
    assert load(path, entry="ema").origin_["entry"] == "ema"
    with pytest.raises(WeightsError, match=r"no weights under entry='emma'"):
        load(path, entry="emma")
