from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn
from torch.testing import assert_close

from skedema.modules.transformer import TransformerBlock, grid_positions


@pytest.mark.parametrize(("dim", "n_heads", "expansion"), [(16, 4, 4.0), (6, 1, 0.5)])
def test_block_equals_that_of_torch(dim, n_heads, expansion):
    torch.manual_seed(0)
    ours = TransformerBlock(dim, n_heads, expansion, dropout=0.0).double()
    for parameter in ours.parameters():
        nn.init.normal_(parameter, std=0.5)
    theirs = nn.TransformerEncoderLayer(
        dim,
        n_heads,
        round(expansion * dim),
        dropout=0.0,
        activation="gelu",
        batch_first=True,
        norm_first=True,
    ).double()
    with torch.no_grad():
        theirs.self_attn.in_proj_weight.copy_(ours.query_key_value.weight)
        theirs.self_attn.in_proj_bias.copy_(ours.query_key_value.bias)
    for mine, other in (
        (ours.project, theirs.self_attn.out_proj),
        (ours.attention_norm, theirs.norm1),
        (ours.mlp_norm, theirs.norm2),
        (ours.mlp[0], theirs.linear1),
        (ours.mlp[-1], theirs.linear2),
    ):
        other.load_state_dict(mine.state_dict())
    tokens = torch.randn(3, 7, dim, dtype=torch.float64)
    assert_close(ours(tokens), theirs(tokens))


def test_block_drops_hidden_units_in_training_alone():
    torch.manual_seed(0)
    block, tokens = TransformerBlock(8, 2, 4.0, dropout=0.5), torch.randn(1, 3, 8)
    assert not torch.equal(block.train()(tokens), block(tokens))
    assert torch.equal(block.eval()(tokens), block(tokens))


@pytest.mark.parametrize("grid", [(4, 4, 4), (2, 5, 3), (1, 1, 7), (1, 1, 1), (12, 12, 12)])
@pytest.mark.parametrize("dim", [6, 7, 12, 96, 768])
def test_positions_tell_every_cell_from_every_other(grid, dim):
    table = grid_positions(grid, dim)
    assert table.shape == (np.prod(grid), dim)
    assert table.dtype == torch.get_default_dtype()
    assert len(torch.unique(table, dim=0)) == len(table)
    assert table.abs().max() <= 1


@pytest.mark.parametrize(("grid", "dim"), [((2, 5, 3), 20), ((3, 1, 2), 6)])
def test_positions_are_sines_and_cosines_an_axis_in_the_order_of_a_flattened_grid(grid, dim):
    table = grid_positions(grid, dim)
    channels = 2 * (dim // 6)  # of an axis
    for row, cell in enumerate(itertools.product(*map(range, grid))):  # last axis fastest
        expected = np.zeros(dim)
        for axis, place in enumerate(cell):
            for k in range(channels // 2):
                angle = place * 10000 ** (-2 * k / channels)
                start = axis * channels + k
                expected[start], expected[start + channels // 2] = np.sin(angle), np.cos(angle)
        assert_allclose(table[row], expected, atol=1e-6)


def test_positions_match_the_tokens_of_a_flattened_feature_map():
    # volume cell (x, y, z) of a (1, dim, X, Y, Z) map becomes the row of the same cell
    grid = (2, 3, 4)
    cells = torch.arange(24.0).reshape(1, 1, *grid)
    order = cells.flatten(2).transpose(1, 2)[0, :, 0].long()
    table = grid_positions(grid, 12)
    assert_close(table[order].reshape(*grid, 12)[1, 2, 3], table[(1 * 3 + 2) * 4 + 3])


@pytest.mark.parametrize("dim", [1, 5])
def test_positions_without_room_are_an_error(dim):
    with pytest.raises(ValueError, match=rf"dim={dim} .* at least 6"):
        grid_positions((2, 2, 2), dim)
