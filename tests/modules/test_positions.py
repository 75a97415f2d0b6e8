from __future__ import annotations

import itertools
import math

import pytest
import torch

from skedema.modules.positions import sincos_positions

pytestmark = pytest.mark.numerical


def test_every_number_of_an_anisotropic_grid():
    grid, dim = (2, 4, 3), 20  # 6 channels, 6, and the rest
    table = sincos_positions(grid, dim)
    assert not table[0].any()
    for row, (x, y, z) in zip(table[1:], itertools.product(*map(range, grid)), strict=True):
        expected = []
        for place, width in ((y, 6), (x, 6), (z, 8)):
            angles = [place * 10000 ** (-k / (width // 2)) for k in range(width // 2)]
            expected += [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
        torch.testing.assert_close(row, torch.tensor(expected))


@pytest.mark.parametrize("dim", [6, 8, 16, 48, 512])
def test_any_even_width(dim):
    table = sincos_positions((3, 2, 2), dim)
    assert table.shape == (13, dim)
    assert len(table[1:].unique(dim=0)) == 12


@pytest.mark.parametrize("dim", [9, 4, 1])
def test_a_width_without_room_is_refused(dim):
    with pytest.raises(ValueError, match=rf"even width of at least 6.*dim={dim}"):
        sincos_positions((2, 2, 2), dim)


def test_positions_match_the_tokens_of_a_flattened_feature_map():
    # cell (x, y, z) of a (1, dim, X, Y, Z) map becomes the row of the same cell
    grid = (2, 3, 4)
    cells = torch.arange(24.0).reshape(1, 1, *grid)
    order = cells.flatten(2).transpose(1, 2)[0, :, 0].long()
    table = sincos_positions(grid, 12)[1:]
    torch.testing.assert_close(table[order].reshape(*grid, 12)[1, 2, 3], table[(1 * 3 + 2) * 4 + 3])
