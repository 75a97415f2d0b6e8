from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from nibabel.orientations import apply_orientation, inv_ornt_aff
from scipy import ndimage

from skedema.scans.grid import resample
from skedema.scans.grid.weights import slice_weights

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
@pytest.mark.numerical
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


# Slices as scanners space them: finer at the skull base, one gap of 1 mm, then thick.
UNEVEN = np.cumsum([0.0, *[0.86] * 9, 0.23, *[1.5] * 9])


def place(index, affine):
    return np.tensordot(affine[:3, :3], index, 1) + affine[:3, 3].reshape(3, 1, 1, 1)


def voxel_places(shape, affine, depths):
    """Position of every voxel in mm, shape (3, X, Y, Z)."""
    index = np.indices(shape).astype(float)
    index[2] = depths
    return place(index, affine)


def uneven_middle(shape, affine, depths):
    """Centre of the field of view: half a step beyond the first and the last slice."""
    low = depths[0] - (depths[1] - depths[0]) / 2
    high = depths[-1] + (depths[-1] - depths[-2]) / 2
    return place(
        np.array([(shape[0] - 1) / 2, (shape[1] - 1) / 2, (low + high) / 2]).reshape(3, 1, 1, 1),
        affine,
    ).ravel()


def grid_places(shape, spacing, middle):
    steps = np.indices(shape) - (np.array(shape).reshape(3, 1, 1, 1) - 1) / 2
    return steps * np.reshape(spacing, (3, 1, 1, 1)) + np.reshape(middle, (3, 1, 1, 1))


def tilted(degrees, turn=0.0):
    """Voxels of 1 x 1.2 x 4 mm whose slices slide sideways, perhaps turned in their plane."""
    affine = np.diag([1.0, 1.2, 4.0, 1.0])
    affine[1, 2] = -4.0 * np.tan(np.radians(degrees))
    affine[:3, 3] = (11, -30, 7)
    return rotation(turn, axis=2) @ affine


def turned(orientation, voxels, affine, depths):
    """Permute and flip the voxel axes but keep slices last, as depths belong to the third."""
    flips = orientation[2, 1] < 0
    return (
        apply_orientation(voxels, orientation),
        affine @ inv_ornt_aff(orientation, voxels.shape),
        (len(depths) - 1) - depths[::-1] if flips else depths,
    )


SLICES_LAST = [orientation for orientation in ORIENTATIONS if orientation[2, 0] == 2]


@pytest.mark.parametrize("spacing", [(1.1, 1.3, 0.7), (2.25, 2.25, 2.25), (3.0, 2.0, 7.0)])
@pytest.mark.parametrize(("degrees", "turn"), [(0, 0), (18.5, 0), (-30, 0), (12, 25)])
def test_a_ramp_in_mm_is_reproduced_from_uneven_and_tilted_slices(degrees, turn, spacing):
    affine, shape = tilted(degrees, turn), (40, 36, len(UNEVEN))
    slope = np.array([2.0, -3.0, 5.0])
    voxels = np.tensordot(slope, voxel_places(shape, affine, UNEVEN), 1).astype(np.float32)
    out = tuple(int(length / step) for length, step in zip((20, 18, 70), spacing, strict=True))
    middle = uneven_middle(shape, affine, UNEVEN)
    places = grid_places(out, spacing, middle)
    index = np.tensordot(np.linalg.inv(affine)[:3, :3], places - affine[:3, 3, None, None, None], 1)
    sure = (index[2] >= UNEVEN[0]) & (index[2] <= UNEVEN[-1])
    for axis, size in ((0, 1.0), (1, 1.2)):  # triangles end at the faces, a voxel before
        margin = max(spacing) / size + 1
        sure &= (index[axis] > margin) & (index[axis] < shape[axis] - 1 - margin)
    assert sure.mean() > 0.25
    for orientation in SLICES_LAST:
        voxels_t, affine_t, depths_t = turned(orientation, voxels, affine, UNEVEN)
        grid = resample(voxels_t, affine_t, spacing, out, 1e6, depths_t)
        np.testing.assert_allclose(grid[sure], np.tensordot(slope, places, 1)[sure], atol=2e-3)


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 2, 0), (0, 2, 1)])
@pytest.mark.parametrize("degrees", [0, 15])
def test_uneven_slices_may_lie_along_any_axis_of_the_body(axes, degrees):
    turn = np.eye(4)
    turn[:3, :3] = np.eye(3)[list(axes)]
    affine, shape = turn @ tilted(degrees), (40, 36, len(UNEVEN))
    slope = np.array([2.0, -3.0, 5.0])
    voxels = np.tensordot(slope, voxel_places(shape, affine, UNEVEN), 1).astype(np.float32)
    out, spacing = (9, 9, 9), (1.5, 1.5, 1.5)
    places = grid_places(out, spacing, uneven_middle(shape, affine, UNEVEN))
    grid = resample(voxels, affine, spacing, out, 1e6, UNEVEN)
    np.testing.assert_allclose(grid, np.tensordot(slope, places, 1), atol=2e-3)


@pytest.mark.parametrize("spacing", [(1.0, 1.2, 1.0), (2.25, 2.25, 2.25), (2.0, 3.0, 5.0)])
@pytest.mark.parametrize("degrees", [0, 18.5, -30])
def test_a_blob_in_uneven_slices_lands_where_it_is(degrees, spacing):
    affine, shape = tilted(degrees), (110, 100, len(UNEVEN))
    middle = uneven_middle(shape, affine, UNEVEN)
    truth = middle + np.array([7, -6, 8])
    off = voxel_places(shape, affine, UNEVEN) - truth.reshape(3, 1, 1, 1)
    voxels = (1000 * np.exp(-(off**2).sum(axis=0) / (2 * 10.0**2))).astype(np.float32)
    out = tuple(int(84 / step) for step in spacing)
    for orientation in SLICES_LAST[::3]:
        voxels_t, affine_t, depths_t = turned(orientation, voxels, affine, UNEVEN)
        grid = resample(voxels_t, affine_t, spacing, out, 0.0, depths_t)
        assert np.linalg.norm(centre_of_mass_mm(grid, spacing, middle) - truth) < 0.1


@pytest.mark.parametrize("degrees", [0, 18.5])
@pytest.mark.parametrize("spacing", [(1.5, 1.5, 2.5), (1.0, 1.2, 4.0), None])
def test_even_slices_given_by_their_depths_give_what_no_depths_give(blobs, degrees, spacing):
    voxels, _ = blobs
    affine = tilted(degrees)
    depths = np.arange(8.0)
    expected = resample(voxels, affine, spacing, (14, 12, 11), -9.0)
    grid = resample(voxels, affine, spacing, (14, 12, 11), -9.0, depths)
    np.testing.assert_allclose(grid, expected, rtol=0, atol=1e-3)
    stretched = resample(voxels, None, None, (14, 12, 11), -9.0, depths)
    np.testing.assert_allclose(
        stretched, resample(voxels, None, None, (14, 12, 11), -9.0), atol=1e-3
    )


def test_the_field_of_view_reaches_half_a_step_beyond_the_outer_slices():
    voxels = np.ones((3, 3, 4), np.float32)
    depths = np.array([0.0, 1.0, 2.0, 6.0])  # from -0.5 to 8
    for affine in (np.eye(4), tilted(0.3) @ np.diag([1, 1 / 1.2, 0.25, 1])):
        grid = resample(voxels, affine, (1.0, 1.0, 0.5), (3, 3, 21), 0.0, depths)
        assert grid[1, 1].tolist() == [0] * 2 + [1] * 17 + [0] * 2
    whole = resample(voxels, np.eye(4), None, (3, 3, 17), 0.0, depths)
    assert (whole == 1).all()


def test_between_far_slices_there_is_plain_linear_interpolation():
    depths = np.array([0.0, 3.0, 4.5, 10.0])
    centres = np.linspace(-1, 11, 49)
    weights = slice_weights(depths, centres, 1.5)
    for k in range(4):
        np.testing.assert_allclose(
            weights[:, k], np.interp(centres, depths, np.eye(4)[k]), atol=1e-6
        )


def test_close_slices_do_not_alias_on_a_coarse_grid():
    rng = np.random.default_rng(4)
    depths = np.cumsum(rng.uniform(0.3, 0.7, 400))
    noise = rng.normal(0, 10, size=(4, 4, 400)).astype(np.float32)
    for affine in (np.eye(4), tilted(10) @ np.diag([1, 1 / 1.2, 0.25, 1])):
        grid = resample(noise, affine, (1.0, 1.0, 5.0), (2, 2, 30), 0.0, depths)
        assert grid.std() < 3.5  # plain linear interpolation leaves about 7


def test_a_single_slice_may_have_a_depth():
    grid = resample(
        np.ones((5, 5, 1), np.float32), np.eye(4), (1.0,) * 3, (5, 5, 3), 0.0, np.zeros(1)
    )
    assert grid[2, 2].tolist() == [0, 1, 0]


def test_depths_leave_the_voxels_as_they_are():
    voxels = np.random.default_rng(0).normal(size=(12, 10, 20)).astype(np.float32)
    before = voxels.copy()
    for affine in (tilted(0), tilted(20)):
        resample(voxels[::-1], affine, (2.0, 2.0, 2.0), (8, 8, 8), 0.0, UNEVEN)
    assert (voxels == before).all()
