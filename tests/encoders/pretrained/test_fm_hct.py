from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch.nn.functional import interpolate

from skedema import VolumeReader
from skedema.encoders.pretrained import FMHCT, PretrainedEncoder, PretrainedWeightsError
from skedema.modules.positions import sincos_positions

from ._tiny import PLAIN, TINY, heads, saved, seeded, state_of

# MONAI's ViT has the same blocks under other names.
_OF_MONAI = (("att_norm", "norm1"), ("ffn_norm", "norm2"), ("attn.proj", "attn.out_proj"))


def forward_of_monai(state, volumes, patch, dim, depth, n_heads):
    """Run the published names through MONAI's own network."""
    from monai.networks.nets import ViT

    for ours, theirs in _OF_MONAI:
        state = {key.replace(ours, theirs): value for key, value in state.items()}
    sizes = {"hidden_size": dim, "mlp_dim": 4 * dim, "num_layers": depth, "num_heads": n_heads}
    side = volumes.shape[-1]
    vit = ViT(3, side, patch, proj_type="conv", classification=True, qkv_bias=False, **sizes)
    vit.norm.eps = 1e-6
    missing, unexpected = vit.eval().load_state_dict(state, strict=False)
    assert not unexpected
    assert all("cross_attn" in key or "classification_head" in key for key in missing)
    with torch.no_grad():
        tokens = vit.patch_embedding(volumes)
        tokens = torch.cat([vit.cls_token.expand(len(tokens), -1, -1), tokens], dim=1)
        for block in vit.blocks:
            tokens = block(tokens)
        return vit.norm(tokens)


@pytest.mark.numerical
def test_features_are_those_of_monais_network(tmp_path):
    pytest.importorskip("monai")
    recipe = FMHCT(dim=48, depth=3, n_heads=4, patch=8, shape=24)
    state = state_of(recipe)
    encoder = PretrainedEncoder(saved(state, tmp_path), recipe=recipe).fit()
    scans = heads(2)
    volumes = torch.from_numpy(encoder.volume_.transform(scans))
    expected = forward_of_monai(state, volumes, 8, 48, 3, 4)
    assert_allclose(encoder.transform(scans), expected[:, 0], atol=1e-6)
    tokens = encoder.network(pool="tokens")
    assert tokens.grid == (3, 3, 3)
    with torch.no_grad():
        assert_allclose(tokens(volumes), expected[:, 1:], atol=1e-6)
    for pool, found in (("mean", expected[:, 1:].mean(dim=1)), ("patches", expected[:, 1:])):
        features = encoder.set_params(pool=pool).fit().transform(scans)
        assert_allclose(features, found.flatten(1), atol=1e-6)


def test_the_published_network_has_its_138_keys_and_89_million_weights():
    with torch.device("meta"):
        network = FMHCT().build(in_channels=3, shape=(96, 96, 96))
    state = FMHCT().state(network)
    assert len(state) == 138
    assert sum(value.numel() for value in state.values()) == 89_404_416
    assert state["patch_embedding.patch_embeddings.weight"].shape == (768, 3, 12, 12, 12)
    assert state["patch_embedding.position_embeddings"].shape == (1, 512, 768)
    assert state["blocks.11.attn.qkv.weight"].shape == (2304, 768)
    assert {"cls_token", "norm.bias", "blocks.0.att_norm.weight"} < set(state)
    assert {"blocks.5.ffn_norm.bias", "blocks.5.mlp.linear1.bias"} < set(state)
    assert "blocks.0.attn.qkv.bias" not in state


def test_scans_are_read_as_in_training():
    # The volumes of this reader are compared with those of training in tests/scans.
    given = FMHCT().reader().get_params()
    plain = VolumeReader().get_params()
    assert {name: value for name, value in given.items() if value != plain[name]} == {
        "axes": "scan",
        "first_spacing": 1.0,
        "crop": "foreground",
        "windows": ["brain", "subdural", "bone_wide"],
        "window_first": True,
        "interpolation": "area",
        "spacing": None,
        "shape": 96,
    }


def test_positions_that_were_learned_are_loaded_and_interpolated_for_another_shape(tmp_path):
    state = state_of()
    table = state["patch_embedding.position_embeddings"]
    assert not torch.allclose(table[0], sincos_positions((2, 2, 2), 24)[1:], atol=0.1)
    path = saved(state, tmp_path)
    encoder = PretrainedEncoder(path, recipe=TINY, volume=TINY.reader().set_params(shape=16)).fit()
    assert_array_equal(encoder.module_.network.positions.detach(), table)
    other = TINY.reader().set_params(shape=(24, 16, 8))
    encoder = PretrainedEncoder(path, recipe=TINY, volume=other).fit()
    assert encoder.network(pool="tokens").grid == (3, 2, 1)
    found = encoder.module_.network.positions.detach()
    laid = table.reshape(2, 2, 2, 24).permute(3, 0, 1, 2)[None]
    expected = interpolate(laid, size=(3, 2, 1), mode="trilinear")[0].permute(1, 2, 3, 0)
    assert_allclose(found[0], expected.reshape(6, 24), rtol=1e-6)
    assert encoder.weights_report_.regenerated == ("patch_embedding.position_embeddings",)
    assert np.isfinite(encoder.transform(heads(1))).all()
    with pytest.raises(ValueError, match=r"do not fill a volume of \(20, 20, 20\)"):
        encoder.set_params(volume=TINY.reader().set_params(shape=20)).fit()


def test_another_reading_than_in_training_is_told_and_the_remedy_silences_it(tmp_path):
    path = saved(state_of(), tmp_path)
    with pytest.warns(UserWarning, match="reads scans otherwise.*FMHCT were trained") as told:
        PretrainedEncoder(path, recipe=TINY, volume=PLAIN).fit()
    assert len(told) == 1
    reader = TINY.reader().set_params(remote="copies", n_jobs=2, shape=24)
    assert PretrainedEncoder(path, recipe=TINY, volume=reader).fit().volume_.remote == "copies"


def test_other_windows_than_the_weights_have_are_an_error(tmp_path):
    path = saved(state_of(), tmp_path)
    encoder = PretrainedEncoder(path, recipe=TINY, volume=VolumeReader(shape=16))
    with pytest.raises(PretrainedWeightsError, match="three windows if volume= has others"):
        encoder.fit()


def test_of_a_checkpoint_of_self_distillation_the_teacher_is_taken_without_its_head(tmp_path):
    teacher, student = state_of(), state_of(seed=1)
    wrapped = [
        {f"module.backbone.{key}": value for key, value in each.items()}
        | {"module.head.mlp.0.weight": torch.zeros(3, 3)}
        for each in (student, teacher)
    ]
    checkpoint = {
        "epoch": 3,
        "best_loss": 0.5,
        "state_dict": wrapped[0],
        "momentum_model_state_dict": wrapped[1],
        "optimizer": {"state": {}, "param_groups": []},
    }
    path = saved(checkpoint, tmp_path)
    encoder = PretrainedEncoder(path, recipe=TINY).fit()
    assert encoder.origin_["entry"] == "momentum_model_state_dict"
    assert encoder.weights_report_.ignored == ("module.head.mlp.0.weight",)
    assert_array_equal(encoder.module_.network.class_token.detach(), teacher["cls_token"])
    encoder.set_params(entry="state_dict").fit()
    assert_array_equal(encoder.module_.network.class_token.detach(), student["cls_token"])


def test_the_decoder_of_a_masked_autoencoder_is_left_out_by_name(tmp_path):
    decoder = {
        "mask_token": torch.zeros(1, 1, 24),
        "decoder_embed.weight": torch.zeros(24, 24),
        "decoder_blocks.0.norm1.weight": torch.zeros(24),
        "decoder_pred.bias": torch.zeros(3),
    }
    path = saved({"state_dict": state_of() | decoder}, tmp_path)
    report = PretrainedEncoder(path, recipe=TINY).fit().weights_report_
    assert set(report.ignored) == set(decoder)
    assert report.fits


def test_layers_go_from_the_volume_on_and_have_every_weight_once():
    network = seeded(TINY.build(in_channels=3, shape=(16, 16, 16)))
    layers = network.layers()
    assert len(layers) == 1 + TINY.depth
    listed = [id(each) for layer in layers for each in layer]
    assert sorted(listed) == sorted(map(id, network.parameters()))
    assert any(each is network.positions for each in layers[0])
