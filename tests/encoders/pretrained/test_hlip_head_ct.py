from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch.nn.functional import conv3d, gelu, interpolate, layer_norm, linear

from skedema import AttentionMixerClassifier, VolumeReader
from skedema.encoders.pretrained import HLIPHeadCT, PretrainedEncoder, PretrainedWeightsError
from skedema.inspection import explain_scan

from ._tiny import heads, saved, seeded, state_of

SMALL = HLIPHeadCT(dim=24, depth=7, n_heads=2, patch=(4, 8, 8), shape=(64, 64, 8), max_scans=5)


def block_of_timm(tokens, state, name, n_heads):
    """Compute a pre-norm block as timm does, by its names."""
    get = lambda part: state[f"{name}.{part}"]  # noqa: E731
    batch, length, dim = tokens.shape
    normed = layer_norm(tokens, (dim,), get("norm1.weight"), get("norm1.bias"), 1e-6)
    joint = linear(normed, get("attn.qkv.weight"), get("attn.qkv.bias"))
    parts = joint.reshape(batch, length, 3, n_heads, dim // n_heads)
    q, k, v = (parts[:, :, which].permute(0, 2, 1, 3) for which in range(3))
    weights = (q @ k.mT / math.sqrt(dim // n_heads)).softmax(dim=-1)
    heard = (weights @ v).permute(0, 2, 1, 3).reshape(batch, length, dim)
    tokens = tokens + linear(heard, get("attn.proj.weight"), get("attn.proj.bias"))
    normed = layer_norm(tokens, (dim,), get("norm2.weight"), get("norm2.bias"), 1e-6)
    hidden = gelu(linear(normed, get("mlp.fc1.weight"), get("mlp.fc1.bias")))
    return tokens + linear(hidden, get("mlp.fc2.weight"), get("mlp.fc2.bias"))


def forward_of_hlip(state, study, recipe):
    """Encode one study (S, D, H, W), as the repository tells: nothing here is shared with ours."""
    kernel, bias = state["patch_embed.proj.weight"], state["patch_embed.proj.bias"]
    scans = []
    for number, scan in enumerate(study):
        cells = conv3d(scan[None, None], kernel, bias, stride=kernel.shape[2:])[0]
        places = cells.permute(1, 2, 3, 0) + state["spatial_posemb"][0]
        if "sequential_posemb" in state:
            places = places + state["sequential_posemb"][0, number]
        scans.append(places.reshape(-1, recipe.dim))
    first = [state["cls_token"][0]] * len(scans)
    for number in range(recipe.depth):
        name = f"blocks.{number}"
        if number in (2, 5, 8, 11):
            together = torch.cat([torch.stack(first).mean(dim=0), *scans])[None]
            found = block_of_timm(together, state, name, recipe.n_heads)[0]
            first = [found[:1]] * len(scans)
            scans = list(found[1:].chunk(len(scans)))
        else:
            found = [
                block_of_timm(torch.cat([one, scan])[None], state, name, recipe.n_heads)[0]
                for one, scan in zip(first, scans, strict=True)
            ]
            first, scans = [each[:1] for each in found], [each[1:] for each in found]
    tokens = torch.cat([torch.stack(first).mean(dim=0), *scans])
    weight, bias = state["norm.weight"], state["norm.bias"]
    return layer_norm(tokens, (recipe.dim,), weight, bias, 1e-6)


def as_hlip_sees(volume):
    """Turn (S, X, Y, Z) on RAS axes to slices from the top down, rows from the front back."""
    rpi = volume.flip(2).flip(3).permute(0, 3, 2, 1)
    side = rpi.shape[-1]
    edge = side // 16
    return ((rpi - 0.449) / 0.226)[:, :, edge : side - edge, edge : side - edge]


@pytest.mark.numerical
@pytest.mark.parametrize("depth", [6, 7])
@pytest.mark.parametrize("max_scans", [5, 0])
def test_tokens_are_those_of_a_plain_writing_of_the_published_network(depth, max_scans):
    recipe = HLIPHeadCT(**{**SMALL.get_params(), "depth": depth, "max_scans": max_scans})
    network = seeded(recipe.build(in_channels=3, shape=recipe.shape))
    state = recipe.state(network)
    volumes = torch.rand(2, 3, *recipe.shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = network.study_tokens(volumes)
        for volume, tokens in zip(volumes, found, strict=True):
            expected = forward_of_hlip(state, as_hlip_sees(volume), recipe)
            assert_allclose(tokens, expected, atol=1e-6)


def test_tokens_of_places_are_means_over_windows_on_ras_axes():
    network = seeded(SMALL.build(in_channels=3, shape=SMALL.shape))
    volumes = torch.rand(1, 3, *SMALL.shape)
    assert network.grid == (7, 7, 2)
    with torch.no_grad():
        tokens, every = network(volumes)[0], network.study_tokens(volumes)[0]
    assert_array_equal(tokens[0], every[0])
    of_scans = every[1:].reshape(3, 2, 7, 7, 24).mean(dim=0)  # from the top, the front, the left
    expected = of_scans.flip(0).flip(1).permute(2, 1, 0, 3).reshape(-1, 24)
    assert_allclose(tokens[1:], expected, atol=1e-6)


def test_the_published_network_has_its_names_and_sizes():
    network = HLIPHeadCT(depth=1).build(in_channels=3, shape=(256, 256, 48))
    state = HLIPHeadCT().state(network)
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    assert shapes["cls_token"] == (1, 1, 768)
    assert shapes["spatial_posemb"] == (1, 6, 14, 14, 768)
    assert shapes["sequential_posemb"] == (1, 40, 768)
    assert shapes["patch_embed.proj.weight"] == (768, 1, 8, 16, 16)
    assert shapes["blocks.0.attn.qkv.bias"] == (2304,)
    assert shapes["blocks.0.mlp.fc1.weight"] == (3072, 768)
    assert {"blocks.0.norm1.weight", "blocks.0.attn.proj.bias", "blocks.0.norm2.bias"} < set(state)
    assert len(state) == 5 + 12 + 2


def test_the_text_tower_and_the_projection_are_left_out_by_name(tmp_path):
    trunk = {f"module.visual.trunk.{key}": value for key, value in state_of(SMALL).items()}
    others = {
        "module.logit_scale": torch.zeros(()),
        "module.text.transformer.embeddings.word_embeddings.weight": torch.zeros(3, 2),
        "module.text.proj.weight": torch.zeros(2, 2),
        "module.visual.head.proj.weight": torch.zeros(512, 24),
    }
    path = saved({"epoch": 1, "state_dict": others | trunk}, tmp_path, "hlip.pt")
    encoder = PretrainedEncoder(path, recipe=SMALL).fit()
    assert set(encoder.weights_report_.ignored) == set(others)
    assert encoder.transform(heads(2)).shape == (2, 24)


def test_a_study_without_positions_of_scans_and_the_remedy(tmp_path):
    without = HLIPHeadCT(**{**SMALL.get_params(), "max_scans": 0})
    path = saved(state_of(without), tmp_path)
    with pytest.raises(PretrainedWeightsError, match=r"recipe=HLIPHeadCT\(max_scans=0\)"):
        PretrainedEncoder(path, recipe=SMALL).fit()
    assert PretrainedEncoder(path, recipe=without).fit().weights_report_.fits


def test_positions_are_interpolated_for_more_slices(tmp_path):
    state = state_of(SMALL)
    more = SMALL.reader().set_params(shape=(64, 64, 12))
    encoder = PretrainedEncoder(saved(state, tmp_path), recipe=SMALL, volume=more).fit()
    table = state["spatial_posemb"].permute(0, 4, 1, 2, 3)
    expected = interpolate(table, size=(3, 7, 7), mode="trilinear").permute(0, 2, 3, 4, 1)
    assert_allclose(encoder.module_.network.places, expected, rtol=1e-6)
    assert not any(each is encoder.module_.network.places for each in encoder.module_.parameters())
    with pytest.raises(ValueError, match="more than max_scans=5"):
        SMALL.build(in_channels=6, shape=(64, 64, 8))


def test_attention_over_parts_has_no_rollout_and_the_remedy_works(tmp_path):
    encoder = PretrainedEncoder(saved(state_of(SMALL), tmp_path), recipe=SMALL)
    X = pd.DataFrame({"scan": heads(6).array})
    small = {"dim": 8, "n_heads": 2, "max_epochs": 1, "n_members": 1, "random_state": 0}
    clf = AttentionMixerClassifier(image="scan", encoder=encoder, fine_tune=False, **small)
    clf.fit(X, [0, 1] * 3)
    with pytest.raises(TypeError, match=r"look at the same tokens.*method='occlusion'"):
        explain_scan(clf, X.iloc[[0]], method="rollout")
    assert explain_scan(clf, X.iloc[[0]], method="occlusion", size=40).relevance.any()


def test_scans_are_read_and_seen_as_in_training():
    given = HLIPHeadCT().reader().get_params()
    plain = VolumeReader().get_params()
    assert {name: value for name, value in given.items() if value != plain[name]} == {
        "axes": "scan",
        "windows": ["brain", "subdural", "bone_wide"],
        "window_first": True,
        "interpolation": ("area", "area", "nearest"),
        "spacing": "square",
        "shape": (256, 256, 48),
    }
    assert "NeuroVFM" in HLIPHeadCT().summary()
    # What the repository's loader does to a slice on 256 x 256: 16 to 240.
    network = HLIPHeadCT(depth=1, dim=12, n_heads=2).build(in_channels=1, shape=(256, 256, 48))
    assert network.middle == (slice(16, 240), slice(16, 240))
    assert network.turned_grid == (6, 14, 14)
    assert np.allclose(np.mean([0.485, 0.456, 0.406]), 0.449)
    assert np.allclose(np.mean([0.229, 0.224, 0.225]), 0.226)
