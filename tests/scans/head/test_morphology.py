from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from skedema.scans.head._morphology import fill_holes, grow, shrink


@pytest.mark.parametrize("mm", [0.5, 2.5, 5.0, 7.5])
@pytest.mark.parametrize(
    ("shape", "spacing"),
    [
        ((24, 30, 12), (1.8, 1.8, 5.0)),
        ((3, 40, 1), (0.9, 1.3, 2.0)),
        ((20, 9, 22), (2.5, 4.0, 1.25)),
    ],
)
def test_balls_are_those_of_a_distance_transform(shape, spacing, mm):
    noise = np.random.default_rng(0).normal(size=shape)
    mask = ndimage.gaussian_filter(noise, 1) > 0.1
    for order in ("C", "F"):
        given = np.asarray(mask, order=order)
        near = ndimage.distance_transform_edt(~mask, sampling=spacing) <= mm
        deep = ndimage.distance_transform_edt(mask, sampling=spacing) > mm
        assert np.array_equal(grow(given, mm, np.array(spacing)), near)
        assert np.array_equal(shrink(given, mm, np.array(spacing)), deep)


@pytest.mark.parametrize("shape", [(9, 12, 7), (1, 8, 8), (14, 3, 2)])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.6, 0.8])
def test_holes_are_those_that_scipy_fills(shape, share):
    mask = np.random.default_rng(0).random(shape) < share
    assert np.array_equal(fill_holes(mask), ndimage.binary_fill_holes(mask))


def test_nothing_grows_to_nothing_and_what_lies_beyond_takes_nothing_away():
    empty = np.zeros((4, 5, 6), dtype=bool)
    assert not grow(empty, 9.0, np.ones(3)).any()
    assert shrink(~empty, 9.0, np.ones(3)).all()
