from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import pad
from torch.testing import assert_close

from skedema.encoders import ViT
from skedema.modules.fused import probe

pytestmark = pytest.mark.numerical


def build(shape: tuple[int, int, int], channels: int = 1, **parameters: object) -> torch.nn.Module:
    torch.manual_seed(0)
    defaults = {"dim": 12, "depth": 1, "n_heads": 2, "patch": 4}
    encoder = ViT(**(defaults | parameters))
    return encoder.build(in_channels=channels, shape=shape).double()


@pytest.mark.parametrize(
    ("shape", "patch", "n_tokens"),
    [
        ((8, 8, 8), 4, 8),
        ((8, 12, 16), 4, 24),
        ((8, 12, 16), (8, 4, 2), 24),
        ((9, 5, 3), 4, 6),
        ((3, 3, 3), 16, 1),
        ((8, 8, 8), np.int64(4), 8),
        ((8, 8, 8), np.array([4, 4, 8]), 4),
        ((8, 8, 8), [4, 4, 8], 4),
    ],
    ids=str,
)
def test_every_patch_is_a_token(shape, patch, n_tokens):
    module = build(shape, patch=patch, channels=3)
    assert probe(module, 3, shape) == (n_tokens, 12)
    assert math.prod(module.grid) == n_tokens


def test_tokens_are_linear_in_patches_before_the_blocks():
    module = build((8, 12, 4), channels=2)
    volume = torch.randn(1, 2, 8, 12, 4, dtype=torch.float64)
    weight = module.embed.weight.flatten(1)
    seen = []
    module.blocks.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    module(volume)
    for token, (x, y) in enumerate((x, y) for x in (0, 4) for y in (0, 4, 8)):
        patch = volume[0, :, x : x + 4, y : y + 4].flatten()
        expected = weight @ patch + module.embed.bias + module.positions[token]
        assert_close(seen[0][0, token], expected)


def test_volume_that_is_no_multiple_of_the_patch_is_padded_at_its_end():
    volume = torch.randn(2, 1, 5, 8, 3, dtype=torch.float64)
    padded = pad(volume, [0, 1, 0, 0, 0, 3])
    assert padded.shape == (2, 1, 8, 8, 4)
    assert_close(build((5, 8, 3))(volume), build((8, 8, 4))(padded))


def test_positions_tell_patches_apart():
    module = build((8, 4, 4))
    volume = torch.randn(1, 1, 8, 4, 4, dtype=torch.float64)
    swapped = torch.cat([volume[:, :, 4:], volume[:, :, :4]], dim=2)
    order = [1, 0]
    assert not torch.allclose(module(swapped)[:, order], module(volume))
    module.positions.zero_()
    assert_close(module(swapped)[:, order], module(volume))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_heads": 5}, "n_heads=5 must divide dim=12"),
        ({"dim": 4}, "even width of at least 6.*dim=4"),
        ({"dim": 0}, "at least 1, got dim=0"),
        ({"depth": 0}, "at least 1.*depth=0"),
        ({"n_heads": 0}, "at least 1.*n_heads=0"),
        ({"patch": 0}, "at least 1.*patch=0"),
        ({"patch": (4, 4)}, r"three sides of patch.*patch=\(4, 4\)"),
        ({"patch": (4, 4, -1)}, "at least 1"),
    ],
)
def test_sizes_that_do_not_fit_are_an_error(parameters, message):
    with pytest.raises(ValueError, match=message):
        build((8, 8, 8), **parameters)
