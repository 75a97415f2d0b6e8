from __future__ import annotations

import numpy as np

from skedema.scans.grid.weights import axis_weights, slice_weights


def test_weights_are_never_negative_and_centred_on_the_output_voxel():
    for ratio in np.linspace(0.2, 9.3, 120):
        weights, outside = axis_weights(200, 21, float(ratio))
        assert weights is not None
        assert not outside.any()
        assert weights.min() >= 0
        np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
        centre = 99.5 + (np.arange(21) - 10) * ratio
        inside = (centre - max(ratio, 1) > 0) & (centre + max(ratio, 1) < 199)
        found = weights.astype(np.float64) @ np.arange(200)
        np.testing.assert_allclose(found[inside], centre[inside], atol=2e-4)


def test_weights_of_slices_are_means_that_keep_every_position():
    rng = np.random.default_rng(3)
    for _ in range(40):
        depths = np.cumsum(rng.exponential(1.0, rng.integers(2, 30)) + 0.02)
        centres = np.sort(rng.uniform(depths[0], depths[-1], 12))
        weights = slice_weights(depths, centres, rng.uniform(0.1, 6.0))
        assert weights.min() >= 0
        np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
        np.testing.assert_allclose(weights @ depths, centres, atol=1e-4)


def test_weights_of_slices_are_the_mean_of_the_course_under_a_triangle():
    depths = np.array([0.0, 0.4, 1.0, 1.3, 2.0, 2.9, 3.3, 4.0])
    centre, step = 1.8, 1.5
    longer = np.interp(centre, depths[3:5], [0.7, 0.9])
    reach = np.sqrt(step**2 - longer**2)
    places = np.linspace(centre - reach, centre + reach, 20001)
    triangle = 1 - np.abs(places - centre) / reach
    course = np.array([np.interp(places, depths, tent) for tent in np.eye(8)])
    expected = course @ triangle / triangle.sum()
    found = slice_weights(depths, np.array([centre]), step)[0]
    np.testing.assert_allclose(found, expected, atol=1e-5)
