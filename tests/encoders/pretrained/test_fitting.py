"""What is wrong with a file of weights: each fault is named, with a remedy that works."""

from __future__ import annotations

import pickle
import re

import pytest
import torch

from skedema.encoders.pretrained import (
    CTFM,
    FMHCT,
    HLIPHeadCT,
    PretrainedEncoder,
    PretrainedWeightsError,
)

from ._tiny import TINY, saved, state_of


def misfit(state, folder, recipe=TINY) -> PretrainedWeightsError:
    with pytest.raises(PretrainedWeightsError) as raised:
        PretrainedEncoder(saved(state, folder), recipe=recipe).fit()
    return raised.value


@pytest.mark.parametrize(
    "prefix", ["", "module.", "backbone.", "module._orig_mod.backbone.", "a.b."]
)
def test_what_stands_before_all_names_is_taken_off(tmp_path, prefix):
    state = {f"{prefix}{key}": value for key, value in state_of().items()}
    report = PretrainedEncoder(saved(state, tmp_path), recipe=TINY).fit().weights_report_
    assert report.loaded == tuple(state)


def test_a_prefix_that_some_names_lack(tmp_path):
    state = {
        key if key.startswith("blocks.1") else f"backbone.{key}": value
        for key, value in state_of().items()
    }
    error = misfit(state, tmp_path)
    assert len(error.report.missing) == len(error.report.unexpected) == 11
    assert "backbone.blocks.1.att_norm.weight" in error.report.missing
    assert "11 missing: backbone.blocks.1." in str(error)
    assert "11 left over: blocks.1." in str(error)
    assert "and 5 more" in str(error)
    assert "nothing was loaded" in str(error)


def test_names_that_are_there_twice(tmp_path):
    state = state_of()
    twice = {f"module.{key}": value for key, value in state.items() if key.startswith("norm")}
    error = misfit(state | twice, tmp_path)
    assert error.report.unexpected == ("module.norm.weight", "module.norm.bias")
    both = {f"{who}.{key}": value for who in ("student", "teacher") for key, value in state.items()}
    error = misfit(both, tmp_path)
    assert len(error.report.unexpected) == len(state)
    assert "'teacher.cls_token' stands beside 'student.cls_token'" in str(error)
    teacher = {key: value for key, value in both.items() if key.startswith("teacher.")}
    PretrainedEncoder(saved(teacher, tmp_path), recipe=TINY).fit()
    assert "stands beside" not in str(misfit({"norm.weight": torch.ones(24)}, tmp_path))


def test_a_bias_that_the_published_network_lacks_and_the_remedy(tmp_path):
    biased = FMHCT(dim=24, depth=2, n_heads=2, patch=8, shape=16, qkv_bias=True)
    state = {f"module.{key}": value for key, value in state_of(biased).items()}
    error = misfit(state, tmp_path)
    assert error.report.unexpected == tuple(f"module.blocks.{k}.attn.qkv.bias" for k in (0, 1))
    assert "recipe=FMHCT(qkv_bias=True)" in str(error)
    assert PretrainedEncoder(saved(state, tmp_path), recipe=biased).fit().weights_report_.fits
    assert "qkv_bias=False" in str(misfit(state_of(), tmp_path, recipe=biased))


def test_another_patch_and_the_remedy(tmp_path):
    other = FMHCT(dim=24, depth=2, n_heads=2, patch=4, shape=8)
    error = misfit(state_of(other), tmp_path)
    (key,) = error.report.misshapen
    assert key == (
        "patch_embedding.patch_embeddings.weight (24, 3, 4, 4, 4) instead of (24, 3, 8, 8, 8)"
    )
    assert key in str(error)
    assert "such as recipe=FMHCT(patch=16, shape=96)" in str(error)
    PretrainedEncoder(saved(state_of(other), tmp_path), recipe=other).fit()


def test_a_part_of_another_network_is_left_over(tmp_path):
    state = state_of() | {"decoder.blocks.0.weight": torch.zeros(3), "reg_token": torch.zeros(1)}
    error = misfit(state, tmp_path)
    assert error.report.unexpected == ("decoder.blocks.0.weight", "reg_token")
    assert "2 left over: decoder.blocks.0.weight, reg_token" in str(error)
    assert "Register tokens are of another network" in str(error)


def test_weights_of_half_precision_and_the_remedy(tmp_path):
    state = {key: value.half() for key, value in state_of().items()}
    error = misfit(state, tmp_path)
    assert "cls_token (float16 instead of float32)" in str(error)
    assert "save {key: value.float()} of each anew" in str(error)
    assert "patch=16" not in str(error)  # what is of another precision has the right shape
    again = {key: value.float() for key, value in state.items()}
    PretrainedEncoder(saved(again, tmp_path), recipe=TINY).fit()


def test_weights_that_are_not_finite(tmp_path):
    state = state_of()
    state["blocks.1.mlp.linear2.bias"][3] = torch.nan
    error = misfit(state, tmp_path)
    assert "blocks.1.mlp.linear2.bias (holds values that are not finite)" in str(error)
    assert "earlier checkpoint" in str(error)


def test_another_recipe_is_named(tmp_path):
    hlip = HLIPHeadCT(dim=24, depth=1, n_heads=2, patch=(4, 8, 8), shape=(64, 64, 8))
    assert "They look like weights for recipe='hlip_head_ct'." in str(
        misfit(state_of(hlip), tmp_path)
    )
    assert "recipe='fm_hct'." in str(misfit(state_of(), tmp_path, recipe=hlip))
    convolutions = {"conv_init.weight": torch.zeros(8, 1, 3, 3, 3)}
    assert "recipe='ct_fm'." in str(misfit(convolutions, tmp_path))


def test_a_network_of_fewer_blocks_lacks_keys(tmp_path):
    deeper = FMHCT(dim=24, depth=3, n_heads=2, patch=8, shape=16)
    error = misfit(state_of(), tmp_path, recipe=deeper)
    assert len(error.report.missing) == 11
    assert "Give the sizes that the weights have as parameters of FMHCT" in str(error)


def test_the_error_goes_to_other_processes_whole(tmp_path):
    error = misfit({"cls_token": torch.zeros(1, 1, 24)}, tmp_path)
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert again.report == error.report


def test_a_config_that_says_otherwise_and_the_remedy(tmp_path):
    pytest.importorskip("monai")
    from safetensors.torch import save_file

    sizes = {"patch": (8, 16, 16), "shape": (32, 32, 16)}
    small = CTFM(blocks_down=(1, 1), init_filters=8, **sizes)
    save_file({k: v.clone() for k, v in state_of(small).items()}, tmp_path / "model.safetensors")
    config = '{"blocks_down": [1, 1], "in_channels": 1, "init_filters": 8, "spatial_dims": 3}'
    (tmp_path / "config.json").write_text(config)
    wrong = CTFM(blocks_down=(1, 1), init_filters=16, **sizes)
    with pytest.raises(ValueError, match=re.escape("Give recipe=CTFM(init_filters=8).")):
        PretrainedEncoder(tmp_path, recipe=wrong).fit()
    PretrainedEncoder(tmp_path, recipe=small).fit()
