from __future__ import annotations

import numpy as np
import pytest

from skedema.encoders._regions import MOST, regions_of


def test_every_cell_is_in_one_region():
    for whole in (False, True):
        found = regions_of((6, 7, 5), MOST, whole=whole)
        assert len(found) == 18 * (1 + whole)
        assert sorted(np.concatenate(list(found.values()))) == list(range(6 * 7 * 5))


def test_names_are_where_the_cells_lie():
    cells = np.arange(4 * 6 * 6).reshape(4, 6, 6)
    half = regions_of(cells.shape, (2, 3, 2), whole=False)
    # Of the left half, x runs from its side to the middle; y to the front, z up.
    np.testing.assert_array_equal(half["outer, back, lower"], cells[:2, :2, :3].ravel())
    np.testing.assert_array_equal(half["inner, front, upper"], cells[2:, 4:, 3:].ravel())
    whole = regions_of(cells.shape, (2, 1, 1), whole=True)
    assert list(whole) == ["left outer", "left inner", "right inner", "right outer"]
    np.testing.assert_array_equal(whole["right outer"], cells[3].ravel())
    assert list(regions_of(cells.shape, (1, 1, 1), whole=True)) == ["left", "right"]


def test_one_region_has_all_cells():
    ((name, cells),) = regions_of((3, 2, 2), (1, 1, 1), whole=False).items()
    assert name == "head"
    assert cells.tolist() == list(range(12))


def test_more_regions_than_tokens_are_an_error():
    with pytest.raises(ValueError, match=r"divides 2 tokens along z into 3.*fewer regions"):
        regions_of((3, 3, 2), (1, 1, 3), whole=False)
