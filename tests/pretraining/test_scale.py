from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skedema._pretraining.scale import voxel_scale
from skedema._pretraining.source import RowSource

pytestmark = pytest.mark.numerical

SHAPE = (2, 4, 5, 6)


def source(rows: np.ndarray) -> RowSource:
    return RowSource(np.ascontiguousarray(rows.reshape(len(rows), -1), dtype=np.float32), SHAPE)


def test_mean_and_spread_are_those_of_the_voxels_of_each_channel():
    one = np.random.default_rng(0).normal([[30.0], [5.0]], [[8.0], [0.5]], (2, 120))
    mean, spread = voxel_scale(source(np.stack([one] * 20)))
    assert_allclose(mean, one.mean(axis=1), rtol=1e-5)
    assert_allclose(spread, one.std(axis=1), rtol=1e-5)


def test_a_broken_scan_does_not_move_them():
    rows = np.random.default_rng(0).normal(30.0, 8.0, (9, 2, 120))
    mean, spread = voxel_scale(source(rows))
    rows[4] = 1e20
    assert_allclose(voxel_scale(source(rows)), (mean, spread), rtol=0.1)


def test_a_channel_that_does_not_vary_keeps_its_scale():
    assert voxel_scale(source(np.full((3, 2, 120), 0.7)))[1] == [1.0, 1.0]
