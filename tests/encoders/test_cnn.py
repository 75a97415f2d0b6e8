from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from skedema.encoders import CNN
from skedema.modules.fused import probe

pytestmark = pytest.mark.numerical


@pytest.mark.parametrize("shape", [(8, 8, 8), (12, 10, 20), (17, 9, 5)], ids=str)
@pytest.mark.parametrize(("width", "depth"), [(16, 4), (3, 2), (5, 1), (8, 3)])
def test_each_stage_halves_the_grid_and_doubles_the_channels(width, depth, shape):
    module = CNN(width=width, depth=depth).build(in_channels=2, shape=shape)
    assert module.grid == tuple(math.ceil(side / 2**depth) for side in shape)
    n_tokens = math.prod(module.grid)
    assert probe(module, 2, shape) == (n_tokens, width * 2 ** (depth - 1))


def test_tokens_are_the_cells_of_the_last_grid_in_its_order():
    torch.manual_seed(0)
    module = CNN(width=4, depth=2).build(in_channels=1, shape=(8, 12, 16))
    volume = torch.randn(1, 1, 8, 12, 16)
    grid, tokens = module.stages(volume), module(volume)
    assert grid.shape == (1, 8, 2, 3, 4)
    assert_close(tokens[0, (1 * 3 + 2) * 4 + 3], grid[0, :, 1, 2, 3])


@pytest.mark.parametrize("parameters", [{"width": 0}, {"depth": 0}, {"width": -3}])
def test_sizes_below_one_are_an_error(parameters):
    with pytest.raises(ValueError, match="width and depth must be at least 1"):
        CNN(**parameters).build(in_channels=1, shape=(8, 8, 8))
