from __future__ import annotations

import numpy as np
import pytest
from nibabel.orientations import apply_orientation, inv_ornt_aff
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage

from skedema.datasets._grid import rotation
from skedema.scans.errors import ScanError
from skedema.scans.grid.own_axes import along_own_axes, with_spacing
from skedema.scans.scan import AIR, Scan

SHAPE = (24, 28, 12)
MOST = 2**31


def turned(degrees=(8, -12, 20), size=(2.0, 2.5, 5.0)):
    affine = np.eye(4)
    affine[:3, :3] = rotation(np.array(degrees, dtype=float)) @ np.diag(size)
    affine[:3, 3] = (12, -30, 55)
    return affine


def sheared(degrees=18.0, size=(2.0, 2.5, 5.0)):
    """Tilt a gantry: slices are shifted to the front on the way up."""
    affine = np.diag([*size, 1.0])
    affine[1, 2] = np.tan(np.radians(degrees)) * size[2]
    return affine


def marked(shape=SHAPE):
    voxels = np.full(shape, -1000.0, dtype=np.float32)
    voxels[8:12, 14:19, 5:8] = 60.0
    return voxels


def place(scan):
    """Where the bright voxels lie in mm, on average."""
    mass = np.clip(scan.voxels + 1000, 0, None)
    i, j, k = np.nonzero(mass)
    depth = k if scan.depths is None else scan.depths[k]
    points = scan.affine[:3, :3] @ np.stack([i, j, depth]) + scan.affine[:3, 3:]
    return np.average(points, axis=1, weights=mass[i, j, k])


@pytest.mark.parametrize(
    "affine", [None, np.diag([-2.0, 2.0, 5.0, 1.0]), np.eye(4)[:, [2, 0, 1, 3]]]
)
def test_what_lies_along_the_axes_already_stays_as_it_is(affine):
    scan = Scan(marked(), affine)
    again, moved = along_own_axes(scan, MOST)
    assert again is scan
    assert moved is None


def test_an_oblique_scan_is_turned_and_its_voxels_stay():
    for flips in ((1, 1, 1), (-1, -1, 1), (-1, 1, -1)):
        affine = turned() @ np.diag([*flips, 1.0])
        scan, moved = along_own_axes(Scan(marked(), affine), MOST)
        assert_array_equal(scan.voxels, marked())
        assert_allclose(scan.affine[:3, :3], np.diag([2.0, 2.5, 5.0]) * flips, atol=1e-12)
        assert_allclose(moved @ affine, scan.affine, atol=1e-9)
        assert_allclose(moved[:3, :3] @ moved[:3, :3].T, np.eye(3), atol=1e-12)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (0, 2, 1)])
def test_slices_of_a_tilted_gantry_are_shifted_back_to_where_they_lie(order):
    orientation = np.array([[axis, 1] for axis in order])
    voxels = apply_orientation(marked(), orientation)
    affine = sheared() @ inv_ornt_aff(orientation, SHAPE)
    before = Scan(voxels, affine)
    scan, moved = along_own_axes(before, MOST)
    lengths = np.linalg.norm(scan.affine[:3, :3], axis=0)
    assert_allclose(scan.affine[:3, :3].T @ scan.affine[:3, :3], np.diag(lengths**2), atol=1e-9)
    assert_allclose(place(scan), moved[:3, :3] @ place(before) + moved[:3, 3], atol=0.01)
    assert_allclose(scan.voxels.min(), -1000)  # from outside as well
    assert scan.voxels.size > voxels.size


def test_uneven_slices_stay_uneven():
    depths = np.array([0.0, 1, 2, 3, 4, 6, 8, 10, 13, 16, 19, 22])
    before = Scan(marked(), sheared(), depths)
    scan, moved = along_own_axes(before, MOST)
    assert_array_equal(scan.depths, depths)
    assert_allclose(place(scan), moved[:3, :3] @ place(before) + moved[:3, 3], atol=0.01)


def test_padding_is_air_before_it_is_mixed_with_tissue():
    voxels = np.full(SHAPE, -3024.0, dtype=np.float32)
    voxels[:, 14:] = 40
    scan, _ = along_own_axes(Scan(voxels, sheared()), MOST)
    assert scan.voxels.min() == AIR


def test_axes_that_no_gantry_makes_are_refused_with_a_remedy_that_works():
    affine = np.diag([2.0, 2.0, 5.0, 1.0])
    affine[0, 1], affine[1, 2], affine[0, 2] = 0.4, 0.6, 0.5
    with pytest.raises(ScanError, match='read it with axes="patient"'):
        along_own_axes(Scan(marked(), affine), MOST)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.5, 2.0, 3.0), (4.0, 4.0, 4.0)])
def test_a_spacing_is_reached_by_scipys_splines_from_the_first_voxel_on(spacing):
    rng = np.random.default_rng(0)
    voxels = rng.normal(0, 100, SHAPE).astype(np.float32)
    affine = np.diag([2.0, 2.5, 5.0, 1.0])
    affine[:3, 3] = (3, -7, 11)
    scan = with_spacing(Scan(voxels, affine), spacing, MOST)
    ratios = np.array(spacing) / (2.0, 2.5, 5.0)
    shape = [round((n - 1) / ratio) + 1 for n, ratio in zip(SHAPE, ratios, strict=True)]
    assert scan.voxels.shape == tuple(shape)
    index = np.meshgrid(
        *(np.arange(n) * r for n, r in zip(shape, ratios, strict=True)), indexing="ij"
    )
    expected = ndimage.map_coordinates(voxels, index, order=3, mode="nearest")
    assert_allclose(scan.voxels, expected, atol=2e-3)
    assert_allclose(
        scan.affine, np.diag([*spacing, 1.0]) + np.pad(affine[:3, 3:], ((0, 1), (3, 0)))
    )


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
@pytest.mark.parametrize("flips", [(-1, -1, 1), (1, -1, -1)])
def test_the_order_in_which_voxels_are_stored_does_not_matter(order, flips):
    voxels = np.random.default_rng(0).normal(0, 100, SHAPE).astype(np.float32)
    affine = np.diag([2.0, 2.5, 5.0, 1.0])
    expected = with_spacing(Scan(voxels, affine), (2.0, 2.0, 2.0), MOST)
    orientation = np.column_stack([order, flips])
    stored = np.array(apply_orientation(voxels, orientation))
    again = with_spacing(Scan(stored, affine @ inv_ornt_aff(orientation, SHAPE)), (2.0,) * 3, MOST)
    assert_allclose(again.voxels, expected.voxels, atol=1e-3)
    assert_allclose(again.affine, expected.affine)


def test_uneven_slices_become_even_where_they_lie():
    depths = np.array([0.0, 1, 2, 3, 6, 9])
    ramp = np.broadcast_to(depths.astype(np.float32) * 5, (4, 4, 6))
    for flip in (1, -1):
        voxels = ramp[..., ::flip]
        places = depths if flip > 0 else 9 - depths[::-1]
        scan = Scan(voxels, np.diag([2.0, 2.0, 5.0 * flip, 1.0]), places)
        even = with_spacing(scan, (2.0, 2.0, 3.0), MOST)
        assert even.depths is None
        assert_allclose(even.voxels[0, 0], np.arange(16) * 3.0, atol=1e-3)


def test_too_many_voxels_are_refused_and_so_is_what_has_no_mm():
    with pytest.raises(ScanError, match=r"first_spacing=.*at most 1,000 are taken"):
        with_spacing(Scan(marked(), np.eye(4)), (0.5, 0.5, 0.5), 1000)
    with pytest.raises(ScanError, match=r"its slices, shifted back: has .* at most 40,000"):
        along_own_axes(Scan(marked(), sheared()), 40_000)
    with pytest.raises(ScanError, match="first_spacing=None"):
        with_spacing(Scan(marked(), None), (1.0, 1.0, 1.0), MOST)
