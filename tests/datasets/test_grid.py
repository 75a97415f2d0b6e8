from __future__ import annotations

import numpy as np
import pytest

from skedema.datasets._grid import (
    cover,
    draw_waves,
    ellipsoid,
    level_around,
    lump,
    rotation,
    sheet,
    straight_grid,
)


def test_an_ellipsoid_of_equal_axes_is_a_sphere_in_mm():
    points = np.random.default_rng(0).normal(0, 20, (3, 100)).astype(np.float32)
    distance = ellipsoid(points, (1, 2, 3), (15, 15, 15))
    expected = np.linalg.norm(points - np.array([[1], [2], [3]]), axis=0) - 15
    np.testing.assert_allclose(distance, expected, atol=1e-4)


def test_partial_volume_counts_the_share_of_a_voxel():
    assert cover(np.float32([-5, -1, 0, 1, 5]), 4).tolist() == [1, 0.75, 0.5, 0.25, 0]
    assert sheet(np.float32([0, 2, 4]), 0.5, 4).tolist() == [0.25, 0.125, 0]
    assert sheet(np.float32([0]), 0.0, 4).tolist() == [0]
    assert sheet(np.float32([0]), 9.0, 4).tolist() == [1]


@pytest.mark.parametrize("tilt", [0.0, 12.0])
def test_points_are_where_the_affine_puts_the_voxels(tilt):
    grid = straight_grid((4, 5, 6), (1, 2, 3), tilt)
    index = np.stack(np.unravel_index(np.arange(120), grid.shape))
    expected = grid.affine[:3, :3] @ index + grid.affine[:3, 3:]
    np.testing.assert_allclose(grid.points(), expected, atol=1e-5)
    np.testing.assert_allclose(grid.points().mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(grid.spacing, (1, 2, 3))
    assert grid.voxel_mm3 == pytest.approx(6 * np.cos(np.radians(tilt)))


def test_a_tilt_lifts_the_front_of_the_slices_and_leaves_their_stack_upright():
    affine = straight_grid((4, 5, 6), (1, 2, 3), 10.0).affine
    assert np.degrees(np.arctan2(affine[2, 1], affine[1, 1])) == pytest.approx(10)
    np.testing.assert_allclose(affine[:3, 2], (0, 0, 3))


def test_a_rotation_keeps_lengths_and_turns_by_the_angle():
    turn = rotation(np.array([20.0, -10.0, 5.0]))
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(rotation(np.array([0, 0, 90])) @ [1, 0, 0], [0, 1, 0], atol=1e-12)


def test_a_level_encloses_the_amount_asked_for():
    rng = np.random.default_rng(0)
    level = rng.normal(0, 10, 5000).astype(np.float32)
    weight = rng.random(5000).astype(np.float32)
    for amount in (0.0, 10.0, 700.0, 2000.0):
        assert weight[level < level_around(level, weight, amount)].sum() == pytest.approx(
            amount, abs=3
        )
    assert level_around(level, weight, 1e9) == level.max()
    assert level_around(np.full(4, 2, dtype=np.float32), np.ones(4, dtype=np.float32), 1.0) == 2


def test_a_lump_without_waves_is_the_stretched_distance():
    waves = draw_waves(np.random.default_rng(0))
    flat = waves._replace(vectors=waves.vectors * 0, phases=waves.phases * 0)
    points = np.float32([[3, 0, 0], [0, 4, 0], [0, 0, 5]]).T
    assert lump(points, (0, 0, 0), (1, 2, 1), flat).tolist() == [3, 2, 5]
    assert np.ptp(lump(np.eye(3, dtype=np.float32) * 20, (0, 0, 0), (1, 1, 1), waves)) > 0.1
