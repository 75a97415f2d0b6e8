from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from sklearn.base import clone
from torch import nn
from torch.testing import assert_close

from skedema.encoders import MonaiEncoder, make_encoder
from skedema.encoders.monai import without_batch_norm
from skedema.modules.fused import probe

pytestmark = pytest.mark.numerical

pytest.importorskip("monai", reason="MONAI is not installed")
BatchNorm = nn.modules.batchnorm._BatchNorm

TRANSFORMER = {"hidden_size": 24, "mlp_dim": 24, "num_heads": 2}
NETWORKS = [
    # name, its own arguments, a small shape, the features it gives for dim=8
    ("resnet10", {}, (8, 12, 8), (1, 8)),
    ("resnet18", {"widen_factor": 0.125, "feed_forward": False}, (8, 8, 8), (1, 64)),
    ("DenseNet121", {}, (32, 32, 32), (1, 8)),
    ("densenet121", {}, (32, 32, 32), (1, 8)),
    ("SEResNet50", {}, (32, 32, 32), (1, 8)),
    (
        "EfficientNetBN",
        {"model_name": "efficientnet-b0", "pretrained": False},
        (32, 32, 32),
        (1, 8),
    ),
    ("Regressor", {"out_shape": (5,), "channels": (4, 8), "strides": (2, 2)}, (8, 12, 8), (1, 5)),
    ("Classifier", {"channels": (4, 8), "strides": (2, 2)}, (8, 12, 8), (1, 8)),
    ("ViT", {"patch_size": 8, "num_layers": 1, **TRANSFORMER}, (16, 8, 24), (6, 24)),
    ("UNETR", {"feature_size": 4, **TRANSFORMER}, (16, 16, 32), (16 * 16 * 32, 8)),
    pytest.param(
        *("SwinUNETR", {"feature_size": 12}, (32, 32, 64), (32 * 32 * 64, 8)),
        marks=pytest.mark.slow,
    ),
    ("UNet", {"channels": (4, 8), "strides": (2,)}, (8, 12, 8), (8 * 12 * 8, 8)),
    ("AttentionUnet", {"channels": (4, 8), "strides": (2,)}, (8, 12, 8), (8 * 12 * 8, 8)),
    ("BasicUNet", {"features": (4, 4, 8, 8, 8, 4)}, (16, 32, 16), (16 * 32 * 16, 8)),
    ("SegResNet", {"init_filters": 8}, (8, 16, 8), (8 * 16 * 8, 8)),
    ("HighResNet", {}, (8, 8, 8), (8**3, 8)),
]


@pytest.mark.parametrize(
    ("name", "arguments", "shape", "features"),
    NETWORKS,
    ids=[getattr(case, "values", case)[0] for case in NETWORKS],
)
def test_network_is_an_encoder_by_its_name_alone(name, arguments, shape, features):
    torch.manual_seed(0)
    encoder = MonaiEncoder(name, dim=8, arguments=arguments)
    module = encoder.build(in_channels=2, shape=shape)
    assert probe(module, 2, shape) == features
    assert not any(isinstance(m, BatchNorm) for m in module.modules())
    volumes = torch.randn(1, 2, *shape)
    with torch.no_grad():
        tokens = module.eval()(volumes)
        assert torch.isfinite(tokens).all()
        assert not torch.equal(tokens, module(2 * volumes))


def test_name_with_prefix_is_the_encoder_with_its_defaults():
    encoder = make_encoder("monai:resnet10")
    assert encoder.get_params() == MonaiEncoder("resnet10").get_params()
    assert probe(encoder.build(in_channels=1, shape=(8, 8, 8)), 1, (8, 8, 8)) == (1, 128)


def test_feature_map_and_sequence_become_a_token_a_cell():
    torch.manual_seed(0)
    arguments = {"channels": (4, 8), "strides": (2,)}
    module = MonaiEncoder("UNet", dim=3, arguments=arguments).build(in_channels=1, shape=(4, 6, 8))
    volume = torch.randn(1, 1, 4, 6, 8)
    grid, tokens = module.network(volume), module(volume)
    assert grid.shape == (1, 3, 4, 6, 8)
    assert_close(tokens[0, (2 * 6 + 3) * 8 + 5], grid[0, :, 2, 3, 5])


def test_encoder_is_an_estimator_of_parameters_alone():
    encoder = MonaiEncoder("ViT", dim=4, arguments={"patch_size": 8})
    twin = clone(encoder)
    assert twin.get_params() == {"name": "ViT", "dim": 4, "arguments": {"patch_size": 8}}
    encoder.set_params(name="DenseNet121", arguments=None)
    assert encoder.build(in_channels=1, shape=(32, 32, 32))._get_name() == "MONAI's DenseNet121"
    assert twin.name == "ViT"


def test_own_arguments_come_before_those_an_encoder_knows():
    encoder = MonaiEncoder("resnet10", dim=8, arguments={"num_classes": 5})
    assert probe(encoder.build(in_channels=1, shape=(8, 8, 8)), 1, (8, 8, 8)) == (1, 5)


def test_fresh_batch_norm_becomes_group_norm():
    layers = [nn.BatchNorm3d(n) for n in (16, 12, 6, 5)]
    network = nn.Sequential(nn.Sequential(*layers), nn.BatchNorm1d(4, affine=False), nn.ReLU())
    changed = without_batch_norm(network)
    assert [norm.num_groups for norm in changed[0]] == [8, 4, 2, 1]
    assert [norm.num_channels for norm in changed[0]] == [16, 12, 6, 5]
    assert changed[1].weight is None
    assert isinstance(without_batch_norm(nn.BatchNorm3d(8)), nn.GroupNorm)


def test_learned_batch_norm_keeps_to_what_it_learned():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv3d(1, 4, 3), nn.BatchNorm3d(4), nn.ReLU()).double()
    nn.init.normal_(network[1].weight)
    network(3 + torch.randn(5, 1, 6, 6, 6, dtype=torch.float64))  # as pre-training does
    volumes = torch.randn(4, 1, 6, 6, 6, dtype=torch.float64)
    expected = network.eval()(volumes)
    changed = without_batch_norm(network.train())
    assert_close(changed(volumes), expected)
    assert_close(changed(volumes[:1]), expected[:1])
    assert_close(changed(volumes), expected)  # nothing was learned from the batches
    assert not any(isinstance(m, BatchNorm) for m in changed.modules())
    changed(volumes).sum().backward()
    assert changed[1].weight.grad.any()


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("DenseNet12", "DenseNet121"), ("resnet11", "resnet1"), ("SwinUNET", "SwinUNETR")],
)
def test_misspelt_network_gives_the_nearest(name, nearest):
    with pytest.raises(ValueError, match=f"no network '{name}'. Did you mean '{nearest}"):
        make_encoder(f"monai:{name}").build(in_channels=1, shape=(8, 8, 8))


@pytest.mark.parametrize("name", ["resnet", "__name__", "", "annotations"])
def test_what_is_no_network_is_refused(name):
    with pytest.raises(ValueError, match="MONAI has no network"):
        MonaiEncoder(name).build(in_channels=1, shape=(8, 8, 8))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(None, "model_name"), ({"model_name": "efficientnet-b0", "widht": 2}, "widht")],
)
def test_missing_or_unknown_argument_names_the_network_and_the_remedy(arguments, message):
    with pytest.raises(
        TypeError, match=rf"MONAI's EfficientNetBN cannot .*{message}.*arguments=\{{"
    ):
        MonaiEncoder("EfficientNetBN", arguments=arguments).build(in_channels=1, shape=(8, 8, 8))


def test_volume_that_is_too_small_names_the_network():
    module = make_encoder("monai:DenseNet121").build(in_channels=1, shape=(8, 8, 8))
    with pytest.raises(ValueError, match=r"MONAI's DenseNet121 cannot encode .*\(1, 1, 8, 8, 8\)"):
        probe(module, 1, (8, 8, 8))


def test_network_without_features_is_an_error():
    module = MonaiEncoder("UNet", arguments={"channels": (4, 8), "strides": (2,)}).build(
        in_channels=1, shape=(8, 8, 8)
    )
    module.network.forward = lambda volumes: {"out": volumes}
    with pytest.raises(TypeError, match=r"MONAI's UNet returns no features, but .*dict"):
        module(torch.zeros(1, 1, 8, 8, 8))


def test_without_monai_the_extra_is_named(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("monai.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "monai", None)
    encoder = make_encoder("monai:resnet10")  # a name is all there is yet
    with pytest.raises(
        ImportError, match=r"'monai:resnet10' needs MONAI: pip install monai einops"
    ):
        encoder.build(in_channels=1, shape=(8, 8, 8))


@pytest.mark.slow
def test_listing_encoders_does_not_import_monai():
    code = (
        "import sys, skedema.encoders as e; e.list_encoders(); e.make_encoder('monai:resnet10');"
        "assert 'monai' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
