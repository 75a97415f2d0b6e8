"""A real series with a tilted gantry and uneven slices, against dcm2niix's correction of it.

dcm2niix (v1.0.20260724) slides the slices upright and interpolates linearly across them, at right
angles to the slices, to 56 even ones: only the first and the last of its slices are slices of the
series. So its slices are predicted here from the two that each lies between, placed by the scan's
own geometry. Where that is wrong by a fraction of a mm, the prediction is shifted (sideways), or
it mixes the two in the wrong proportion (along the normal). Both can be measured in mm.
"""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from skedema.scans.dicom import load_dicom
from skedema.scans.grid import resample

pytest.importorskip("pydicom")

BONE, TISSUE = 300.0, -200.0


@pytest.fixture(scope="module")
def series(real_data):
    return load_dicom(real_data / "ge_tilt_dicom", "ge_tilt_dicom")


@pytest.fixture(scope="module")
def reference(real_data):
    image = nib.load(real_data / "ge_tilt_dcm2niix.nii.gz")
    return np.maximum(np.asarray(image.dataobj, dtype=np.float32), -1024), image.affine


def planes(series):
    """Unit directions (3, 3) of rows, columns and normal; first voxel of each slice (3, n)."""
    _, affine, depths = series
    u = affine[:3, :2] / np.linalg.norm(affine[:3, :2], axis=0)
    normal = np.cross(u[:, 0], u[:, 1])
    normal *= np.sign(normal @ affine[:3, 2])
    return np.column_stack([u, normal]), affine[:3, 2:3] * depths + affine[:3, 3:]


def sample(series, k, places):
    """Slice k at places (3, ...) in mm, projected onto it."""
    axes, origins = planes(series)
    away = places - origins[:, k].reshape(3, 1, 1)
    size = np.linalg.norm(series.affine[:3, :2], axis=0)
    index = [np.tensordot(axes[:, d], away, 1) / size[d] for d in range(2)]
    return ndimage.map_coordinates(series.voxels[:, :, k], index, order=1, cval=-1024.0)


def sideways(one, two, mm):
    """How far the second image is shifted against the first, by least squares on gradients."""
    one, two = (ndimage.gaussian_filter(np.clip(x, TISSUE, BONE), 2) for x in (one, two))
    slopes = np.stack(np.gradient(one)).reshape(2, -1)
    return mm * np.linalg.norm(np.linalg.lstsq(slopes.T, (one - two).ravel(), rcond=None)[0])


def compare(series, reference, k):
    """Slice k and the nearest of the reference: mm sideways, mm along the normal, differences."""
    voxels, affine = reference
    axes, origins = planes(series)
    heights = axes[:, 2] @ origins
    every = axes[:, 2] @ (affine[:3, 2:3] * np.arange(voxels.shape[2]) + affine[:3, 3:])
    m = int(np.abs(every - heights[k]).argmin())
    below = int(np.clip(np.searchsorted(heights, every[m] - 1e-4) - 1, 0, len(heights) - 2))
    gap = heights[below + 1] - heights[below]
    part = (every[m] - heights[below]) / gap
    i, j = np.indices(voxels.shape[:2])
    places = np.stack([affine[r, 0] * i + affine[r, 1] * j + affine[r, 2] * m for r in range(3)])
    places += affine[:3, 3].reshape(3, 1, 1)
    low, high = (sample(series, n, places) for n in (below, below + 1))
    predicted = (1 - part) * low + part * high
    head = (predicted > TISSUE) & (predicted < BONE)
    telling = head & (np.abs(high - low) > 20)
    step = (high - low)[telling]
    mixed = step @ (voxels[:, :, m] - low)[telling] / (step @ step)
    return (
        sideways(predicted, voxels[:, :, m], 0.488),
        abs(mixed - part) * gap,
        np.abs(predicted - voxels[:, :, m])[head],
    )


def test_the_series_is_read_as_its_tags_say(series):
    assert series.voxels.shape == (512, 512, 28)
    assert series.voxels.min() == -1024  # padding of -1500
    origins = planes(series)[1]
    np.testing.assert_allclose(origins[0], 125, atol=1e-6)
    np.testing.assert_allclose(origins[1], 123.5404569, atol=1e-6)
    steps = np.diff(origins[2])
    np.testing.assert_allclose(steps, [4.22] * 13 + [1.14] + [7.38] * 13, atol=1e-6)


def test_every_slice_lies_within_half_a_mm_of_the_reference(series, reference):
    for k in range(28):
        aside, along, differences = compare(series, reference, k)
        assert aside < 0.05, k  # measured: 0.013 at most
        assert along < 0.2, k  # measured: 0.07 at most
        assert np.median(differences) < 0.5, k  # HU, the reference being rounded to whole ones
        assert np.percentile(differences, 95) < 1.0, k


def test_the_comparison_sees_a_displacement_of_half_a_mm(series, reference):
    axes, _ = planes(series)
    for axis, which in ((0, 0), (1, 0), (2, 1)):
        moved = series.affine.copy()
        moved[:3, 3] += 0.5 * axes[:, axis]
        found = compare(series._replace(affine=moved), reference, 6)[which]
        assert found == pytest.approx(0.5, rel=0.25)


def test_on_one_grid_the_series_lies_where_the_reference_does(series, reference):
    spacing, shape = np.full(3, 2.25), (90, 100, 70)
    low, high = -200.0, 1000.0
    affine, depths = series.affine, series.depths
    grid = resample(np.clip(series.voxels, low, high), affine, spacing, shape, low, depths)
    ends = depths[0] - np.diff(depths)[0] / 2, depths[-1] + np.diff(depths)[-1] / 2
    middle = affine[:3, :3] @ [255.5, 255.5, np.mean(ends)] + affine[:3, 3]
    steps = np.indices(shape) - (np.array(shape).reshape(3, 1, 1, 1) - 1) / 2
    places = steps * 2.25 + middle.reshape(3, 1, 1, 1)
    own = np.linalg.inv(affine)[2, :3]
    depth = np.tensordot(own, places - affine[:3, 3].reshape(3, 1, 1, 1), 1)
    voxels = np.clip(reference[0], low, high)
    voxels = ndimage.gaussian_filter(voxels, (1.8, 1.8, 0.2))  # about as smooth as the grid
    to_index = np.linalg.inv(reference[1])

    def at(shift):
        index = np.tensordot(to_index[:3, :3], places + np.reshape(shift, (3, 1, 1, 1)), 1)
        index += to_index[:3, 3].reshape(3, 1, 1, 1)
        inside = [(x > 2) & (x < n - 3) for x, n in zip(index, voxels.shape, strict=True)]
        there = ndimage.map_coordinates(voxels, index, order=1, mode="nearest")
        return there, np.logical_and.reduce(inside)

    there, inside = at((0, 0, 0))
    inside &= (depth > 0) & (depth < 27)
    head = ndimage.binary_fill_holes(ndimage.binary_opening(there > -150, iterations=2)) & inside
    differences = np.abs(there - grid)[head]
    # Between slices 7 mm apart the two interpolate in other directions, 18.5 degrees from each
    # other, so that the skull is not the same there; on the slices it is (see above).
    assert np.median(differences) < 6  # measured: 4.4 HU
    assert np.percentile(differences, 95) < 130  # measured: 109 HU
    here = ((there - grid)[inside] ** 2).mean()
    for axis in np.eye(3):
        before, after = (((at(s * axis)[0] - grid)[inside] ** 2).mean() for s in (-0.5, 0.5))
        assert min(before, after) > here
        # The vertex of the parabola through the three is the shift between both, in mm.
        assert abs(0.25 * (before - after) / (before + after - 2 * here)) < 0.1  # measured: 0.05
