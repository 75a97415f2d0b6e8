from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from nibabel.orientations import apply_orientation, inv_ornt_aff
from scipy import ndimage

from skedema.scans.grid import axis_weights, resample

ORIENTATIONS = [
    np.array(list(zip(axes, flips, strict=True)))
    for axes in permutations(range(3))
    for flips in product((1, -1), repeat=3)
]


def rotation(degrees, axis=0):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    i, j = [k for k in range(3) if k != axis]
    matrix = np.eye(4)
    matrix[i, i], matrix[i, j], matrix[j, i], matrix[j, j] = c, -s, s, c
    return matrix


def blob(shape, affine, centre, sigma):
    """A Gaussian of width sigma (mm) around centre (mm), sampled at the voxels."""
    index = np.indices(shape).reshape(3, -1)
    mm = affine[:3, :3] @ index + affine[:3, 3:]
    squared = ((mm - np.asarray(centre)[:, None]) ** 2).sum(axis=0)
    return (1000 * np.exp(-squared / (2 * sigma**2))).reshape(shape).astype(np.float32)


def centre_of_mass_mm(grid, spacing, centre):
    return (np.array(ndimage.center_of_mass(grid)) - (np.array(grid.shape) - 1) / 2) * (
        np.array(spacing)
    ) + centre


def field_centre(shape, affine):
    return affine[:3, :3] @ ((np.array(shape) - 1) / 2) + affine[:3, 3]


def test_there_are_48_orientations():
    assert len({orientation.tobytes() for orientation in ORIENTATIONS}) == 48


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("spacing", [(3.0, 2.5, 3.5), None, (2.0, 3.0, 4.0)])
def test_every_orientation_of_a_volume_gives_the_same_grid(blobs, spacing, order):
    voxels, affine = blobs
    expected = resample(voxels, affine, spacing, (9, 12, 7), -5.0)
    for orientation in ORIENTATIONS:
        turned = np.array(apply_orientation(voxels, orientation), order=order)
        turned_affine = affine @ inv_ornt_aff(orientation, voxels.shape)
        grid = resample(turned, turned_affine, spacing, (9, 12, 7), -5.0)
        np.testing.assert_allclose(grid, expected, rtol=0, atol=2e-4)
        assert grid.flags.c_contiguous


def test_the_grid_has_the_shape_asked_for_and_float32(blobs):
    voxels, affine = blobs
    for shape in [(1, 1, 1), (5, 40, 9), (96, 3, 17)]:
        grid = resample(voxels, affine, (2.25, 1.0, 7.5), shape, 0.0)
        assert grid.shape == shape
        assert grid.dtype == np.float32


@pytest.mark.parametrize("spacing", [0.37, 0.5, 1.0, 1.3, 2.0, 2.25, 3.7])
def test_a_linear_ramp_is_reproduced_whatever_the_spacing(spacing):
    shape = (48, 40, 44)
    x, y, z = np.ogrid[:48, :40, :44]
    ramp = (2.0 * x - 3.0 * y + 5.0 * z + 7).astype(np.float32)
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    m = max(1, int(24 / spacing))  # the middle, away from the scan's faces
    grid = resample(ramp, affine, (spacing,) * 3, (m,) * 3, 0.0)
    steps = (np.arange(m) - (m - 1) / 2) * spacing
    x, y, z = (steps + c for c in field_centre(shape, affine))
    expected = 2 * x[:, None, None] - 3 * y[:, None] + 5 * z + 7
    np.testing.assert_allclose(grid, expected, rtol=0, atol=2e-4)


def test_spacing_is_the_distance_between_voxels_in_mm():
    affine = np.diag([0.5, 0.5, 5.0, 1.0])
    shape = (256, 256, 30)
    two = [blob(shape, affine, c, 6.0) for c in [(40, 50, 60), (80, 70, 90)]]
    spacing = (2.0, 1.5, 3.0)
    found = [
        centre_of_mass_mm(
            resample(b, affine, spacing, (64, 84, 50), 0), spacing, field_centre(shape, affine)
        )
        for b in two
    ]
    np.testing.assert_allclose(found, [(40, 50, 60), (80, 70, 90)], atol=0.05)


def test_antialiasing_keeps_the_mean_of_a_constant_with_texture():
    rng = np.random.default_rng(1)
    checkers = np.indices((60, 60, 60)).sum(axis=0) % 2 * 100.0
    voxels = (40 + checkers + rng.normal(0, 5, checkers.shape)).astype(np.float32)
    grid = resample(voxels, np.eye(4), (3.7,) * 3, (16,) * 3, 0.0)
    assert abs(grid.mean() - voxels.mean()) < 0.5
    assert grid.std() < 3  # plain linear interpolation leaves a standard deviation of about 20
    flat = resample(np.full((60, 60, 60), 7.0, np.float32), np.eye(4), (3.7,) * 3, (16,) * 3, 0)
    np.testing.assert_allclose(flat, 7, rtol=1e-6)


@pytest.mark.parametrize("spacing", [(0.8, 1.7, 3.1), (1.0, 2.0, 4.0), (0.5, 0.9, 2.2)])
def test_finer_grids_equal_scipys_linear_interpolation(blobs, spacing):
    voxels, _ = blobs
    affine = np.diag([1.0, 2.0, 4.0, 1.0])
    shape = (9, 8, 7)
    size = np.array([1.0, 2.0, 4.0])
    scale = np.array(spacing) / size
    offset = (np.array(voxels.shape) - 1) / 2 - (np.array(shape) - 1) / 2 * scale
    expected = ndimage.affine_transform(
        voxels, scale, offset, output_shape=shape, order=1, mode="nearest"
    )
    grid = resample(voxels, affine, spacing, shape, -1024.0)
    np.testing.assert_allclose(grid, expected, rtol=1e-5, atol=1e-3)


# Ratios that are whole or below 1: elsewhere torch's triangles are off centre, ours are not.
@pytest.mark.parametrize("shape", [(32, 20, 36), (16, 60, 12), (100, 71, 40)])
def test_stretching_equals_torchs_antialiased_interpolation(shape):
    torch = pytest.importorskip("torch")
    voxels = np.random.default_rng(0).normal(size=(64, 60, 36)).astype(np.float32)
    ours = resample(voxels, None, None, shape, 0.0)

    def two_axes(images, size):  # torch antialiases in two dimensions
        return torch.nn.functional.interpolate(
            images[None], size=size, mode="bilinear", antialias=True
        )[0]

    theirs = two_axes(torch.from_numpy(voxels).permute(2, 0, 1), shape[:2]).permute(1, 2, 0)
    theirs = two_axes(theirs, shape[1:])
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=3e-5)


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


def test_outside_the_field_of_view_is_the_fill_value_and_nothing_bleeds_into_it():
    voxels = np.full((10, 10, 10), 100, np.float32)
    grid = resample(voxels, np.eye(4), (1.0, 1.0, 1.0), (16, 16, 16), -1024.0)
    assert (grid[3:13, 3:13, 3:13] == 100).all()
    grid[3:13, 3:13, 3:13] = -1024
    assert (grid == -1024).all()


def test_without_geometry_the_grids_own_shape_is_the_identity():
    voxels = np.random.default_rng(0).normal(size=(6, 7, 8)).astype(np.float32)
    for array in (voxels, np.asfortranarray(voxels), voxels[::-1, :, ::-1]):
        grid = resample(array, None, (9.0, 9.0, 9.0), (6, 7, 8), -1.0)
        assert (grid == array).all()
        assert not np.shares_memory(grid, array)


def test_with_geometry_a_scan_on_the_grid_is_the_identity():
    voxels = np.random.default_rng(0).normal(size=(6, 7, 8)).astype(np.float32)
    affine = np.diag([0.7, 1.3, 4.9, 1.0])
    affine[:3, 3] = (-3.3, 8.1, 100)
    assert (resample(voxels, affine, (0.7, 1.3, 4.9), (6, 7, 8), -1.0) == voxels).all()
    assert (resample(voxels, affine, None, (6, 7, 8), -1.0) == voxels).all()


def test_cropping_and_padding_move_voxels_unchanged():
    voxels = np.random.default_rng(0).normal(size=(8, 6, 5)).astype(np.float32)
    grid = resample(voxels, np.eye(4), (1.0, 1.0, 1.0), (4, 10, 5), -9.0)
    assert (grid[:, 2:8] == voxels[2:6]).all()
    assert (grid[:, :2] == -9).all()
    assert (grid[:, 8:] == -9).all()


@pytest.mark.parametrize("degrees", [0.5, 7, 18.5, 30, 44])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_an_oblique_scan_lands_where_it_is(degrees, axis):
    affine = rotation(degrees, axis) @ np.diag([-0.9, 0.9, 2.5, 1.0])
    affine[:3, 3] = (30, -40, 12)
    shape = (100, 100, 44)
    middle = field_centre(shape, affine)
    truth = middle + np.array([9, -12, 7])
    spacing = (2.25, 2.25, 2.25)
    grid = resample(blob(shape, affine, truth, 7.0), affine, spacing, (60, 60, 60), 0.0)
    found = centre_of_mass_mm(grid, spacing, middle)
    assert np.linalg.norm(found - truth) < 0.1


def test_a_sheared_scan_lands_where_it_is():
    affine = np.diag([0.9, 0.9, 4.0, 1.0])
    affine[1, 2] = -4.0 * np.tan(np.radians(18.5))  # gantry tilt, as a NIfTI sform may hold it
    shape = (100, 100, 30)
    middle = field_centre(shape, affine)
    truth = middle + np.array([-10, 8, 5])
    grid = resample(blob(shape, affine, truth, 8.0), affine, (2.0, 2.0, 2.0), (70,) * 3, 0.0)
    found = centre_of_mass_mm(grid, (2.0, 2.0, 2.0), middle)
    assert np.linalg.norm(found - truth) < 0.1


def test_a_rotation_too_small_to_matter_and_one_just_above_agree(blobs):
    voxels = ndimage.gaussian_filter(blobs[0], 1.5)
    grids = [
        resample(voxels, rotation(angle) @ blobs[1], (2.0, 3.0, 4.0), (8, 7, 6), 0.0)
        for angle in (0.004, 0.007)
    ]
    np.testing.assert_allclose(grids[0], grids[1], atol=0.2)


def test_outside_an_oblique_field_of_view_is_the_fill_value():
    affine = rotation(30, axis=2)
    grid = resample(np.full((20, 20, 20), 5, np.float32), affine, (1.0,) * 3, (30,) * 3, -7.0)
    assert set(np.unique(grid).round(4)) == {-7, 5}
    assert grid[0, 0, 15] == -7
    assert (grid == 5).sum() == pytest.approx(20**3, rel=0.05)


def test_no_spacing_keeps_the_field_of_view_of_an_oblique_scan():
    affine = rotation(30, axis=2)
    grid = resample(np.full((20, 20, 20), 5, np.float32), affine, None, (32, 32, 10), -7.0)
    volume = (grid == 5).mean() * (20 * (np.cos(np.pi / 6) + np.sin(np.pi / 6))) ** 2 * 20
    assert volume == pytest.approx(20**3, rel=0.03)


def test_a_single_slice_can_be_resampled():
    affine = np.diag([1.0, 1.0, 5.0, 1.0])
    grid = resample(np.ones((9, 9, 1), np.float32), affine, (1.0, 1.0, 1.0), (9, 9, 7), 0.0)
    assert grid[4, 4].tolist() == [0, 1, 1, 1, 1, 1, 0]
