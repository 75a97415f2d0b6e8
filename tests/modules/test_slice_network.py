from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate

from skedema.modules.slice_network import SliceNetwork


class Tops(nn.Module):
    """The mean of the upper half of an image, and of its left half."""

    def forward(self, images):
        height, width = images.shape[-2:]
        upper = images[..., : height // 2, :].mean(dim=(1, 2, 3))
        left = images[..., : width // 2].mean(dim=(1, 2, 3))
        return torch.stack([upper, left], dim=1)


def network(pool="slices", size=8, backbone=None, n_channels=1):
    norm = [0.0] * n_channels, [1.0] * n_channels
    return SliceNetwork(backbone or Tops(), size, *norm, 5, pool, {})


def test_front_is_at_the_top_and_the_right_of_the_patient_at_the_left():
    volume = torch.zeros(1, 1, 8, 8, 5)
    volume[:, :, :, 4:, 1] = 1.0  # RAS: y runs from back to front
    volume[:, :, 4:, :, 3] = 1.0  # and x from left to right
    slices = network()(volume)[0]
    assert slices[1].tolist() == [1.0, 0.5]
    assert slices[3].tolist() == [0.5, 1.0]
    assert not slices[[0, 2, 4]].any()


def test_slices_are_padded_to_squares_brought_to_the_size_and_normalised():
    volume = torch.rand(2, 3, 6, 10, 5)
    made = SliceNetwork(nn.Identity(), 20, [0.5, 0.4, 0.3], [0.2, 0.3, 0.4], 5, "slices", {})
    images = made.images(volume).unflatten(0, (2, 5))
    by_hand = np.zeros((2, 5, 3, 10, 10), dtype=np.float32)
    by_hand[..., 2:8] = volume.numpy().transpose(0, 4, 1, 3, 2)[..., ::-1, ::-1]
    larger = interpolate(torch.tensor(by_hand).flatten(0, 1), (20, 20), mode="bilinear")
    mean, std = torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.2, 0.3, 0.4])
    expected = (larger - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    torch.testing.assert_close(images, expected.unflatten(0, (2, 5)))


def test_a_single_window_is_shown_in_all_channels():
    made = SliceNetwork(nn.Identity(), 6, [0.5] * 3, [0.2] * 3, 5, "slices", {})
    volume = torch.rand(1, 1, 6, 6, 5)
    assert torch.equal(made.images(volume), made.images(volume.expand(1, 3, 6, 6, 5)))


@pytest.mark.parametrize("pool", ["mean", "max"])
def test_slices_that_show_nothing_do_not_count(pool):
    volume = torch.zeros(2, 1, 8, 8, 5)
    volume[0, ..., 1:3] = torch.rand(8, 8, 2)
    made = network(pool, backbone=nn.Sequential(Tops(), Negative()))
    slices = network("slices", backbone=made.backbone)(volume)
    shown = slices[0, 1:3]
    expected = shown.mean(dim=0) if pool == "mean" else shown.amax(dim=0)
    found = made(volume)
    assert found.shape == (2, 1, 2)
    torch.testing.assert_close(found[0, 0], expected)
    torch.testing.assert_close(found[1, 0], slices[1, 0])  # where none does, all count


class Negative(nn.Module):
    def forward(self, features):
        return -1.0 - features


class Blocks(nn.Module):
    def __init__(self):
        super().__init__()
        self.token = nn.Parameter(torch.zeros(4))
        self.patch = nn.Conv2d(1, 4, 2)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(4, 9), nn.Linear(9, 4)) for _ in "abc")
        self.norm = nn.LayerNorm(4)


def test_layers_are_what_comes_before_the_blocks_and_these():
    backbone = Blocks()
    layers = network(backbone=backbone).layers()
    assert [len(layer) for layer in layers] == [3, 4, 4, 6]
    assert {id(p) for layer in layers for p in layer} == {id(p) for p in backbone.parameters()}
    assert layers[0][0] is backbone.token
    assert layers[-1][-1] is backbone.norm.bias
    assert len(network(backbone=nn.Linear(2, 2)).layers()) == 1


def test_a_copy_with_another_pool_has_weights_of_its_own():
    made = network("mean", backbone=Blocks())
    copied = made.with_pool("slices")
    assert copied.pool == "slices"
    assert made.pool == "mean"
    assert copied.backbone.token is not made.backbone.token
