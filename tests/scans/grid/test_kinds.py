from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage

from skedema.scans.grid import resample
from skedema.scans.grid.kinds import (
    area_weights,
    kind_weights,
    nearest_weights,
    spline_weights,
    uneven_weights,
)

RNG = np.random.default_rng(0)
KINDS = ("cubic", "area", "nearest")
SIZES = [(199, 96), (56, 96), (96, 48), (40, 48), (33, 7), (5, 11), (1, 3), (512, 256)]


@pytest.mark.parametrize("n_in", [1, 2, 5, 40])
def test_splines_are_those_of_scipy(n_in):
    values = RNG.normal(size=n_in)
    centres = np.linspace(-0.5, n_in - 0.5, 57)
    expected = ndimage.map_coordinates(values, [centres], order=3, mode="nearest")
    assert_allclose(spline_weights(n_in, centres) @ values, expected, atol=1e-6)


@pytest.mark.parametrize(("n_in", "n_out"), SIZES)
@pytest.mark.parametrize(("kind", "mode"), [("area", "area"), ("nearest", "nearest-exact")])
def test_stretching_is_that_of_torch(kind, mode, n_in, n_out):
    values = RNG.normal(size=n_in).astype(np.float32)
    weights, outside = kind_weights(kind, n_in, n_out, n_in / n_out)
    if kind == "nearest":  # torch takes the last of two that are as near
        values = values[::-1]
    expected = torch.nn.functional.interpolate(
        torch.tensor(values[None, None].copy()), n_out, mode=mode
    )
    expected = expected.numpy()[0, 0]
    if kind == "nearest":
        values, expected = values[::-1], expected[::-1]
    assert not outside.any()
    assert_allclose(weights @ values, expected, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_an_axis_on_the_grid_already_is_left_alone(kind):
    weights, outside = kind_weights(kind, 12, 12, 1.0)
    assert weights is None
    assert not outside.any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ratio", [0.3, 0.9, 1.7, 4.0])
def test_weights_sum_to_one_and_to_nothing_outside(kind, ratio):
    weights, outside = kind_weights(kind, 9, 40, ratio)
    assert_allclose(weights.sum(axis=1), ~outside, atol=1e-6)
    assert outside.any() == (40 * ratio > 9 + ratio)


@pytest.mark.parametrize("kind", KINDS)
def test_slices_that_are_even_after_all_are_as_good_as_any(kind):
    depths, centres = np.arange(9.0), np.linspace(0, 8, 13)
    weights = uneven_weights(kind, depths, (-0.5, 8.5), centres, 1.3)
    if kind == "area":
        expected = area_weights(np.arange(10) - 0.5, centres, 1.3)
    elif kind == "nearest":
        expected = nearest_weights(depths, centres)
    else:  # another end, whose trace is gone after some slices
        expected = spline_weights(9, centres)
        weights, expected = weights[5:8], expected[5:8]
    assert_allclose(weights, expected, atol=6e-3 if kind == "cubic" else 1e-6)


def test_uneven_slices_are_taken_where_they_lie():
    depths = np.array([0.0, 1, 2, 5, 9])
    faces = (-0.5, 11.0)
    centres = np.array([0.2, 3.0, 3.6, 8.0])
    ramp = uneven_weights("cubic", depths, faces, centres, 1.0) @ depths
    assert_allclose(ramp, centres, atol=1e-5)
    nearest = uneven_weights("nearest", depths, faces, centres, 1.0) @ depths
    assert nearest.tolist() == [0, 2, 5, 9]
    # From 2.5 to 5.5: the slice from 1.5 to 3.5, and that from 3.5 to 7.
    area = uneven_weights("area", depths, faces, np.array([4.0]), 3.0)
    assert_allclose(area[0], [0, 0, 2 / 5.5, 3.5 / 5.5, 0], atol=1e-6)
    one = uneven_weights("cubic", np.array([3.0]), (2.5, 3.5), centres, 1.0)
    assert_array_equal(one, np.ones((4, 1)))


@pytest.mark.parametrize("kind", KINDS)
def test_every_axis_has_its_kind_and_flipped_views_change_nothing(kind, blobs):
    voxels, _ = blobs
    kinds = ("linear", kind, "nearest")
    expected = resample(voxels, np.eye(4), None, (5, 7, 4), 0.0, kinds=kinds)
    for flips in ((-1, 1, 1), (1, -1, 1), (1, 1, -1), (-1, -1, -1)):
        affine = np.diag([*flips, 1.0])
        flipped = voxels[tuple(slice(None, None, step) for step in flips)].copy()
        again = resample(flipped, affine, None, (5, 7, 4), 0.0, kinds=kinds)
        assert_allclose(again, expected, rtol=0, atol=2e-4)
