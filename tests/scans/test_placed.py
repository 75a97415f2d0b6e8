"""A mark in a scan is found at its own voxels, after it was read and brought back."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import ndimage

from skedema import VolumeReader
from skedema.datasets._acquisition import HEIGHT, draw_acquisition
from skedema.datasets._confounders import NO_CONFOUNDERS
from skedema.datasets._grid import rotation, straight_grid
from skedema.datasets._phantom import draw_head
from skedema.datasets._scan import Drawn, render
from skedema.scans._placed import place
from skedema.scans._reading import read_placed
from skedema.scans.grid import resample
from skedema.scans.head.prepare import Prepared
from skedema.scans.scan import Scan

SHAPE = (40, 44, 24)
MARK = (slice(26, 31), slice(8, 14), slice(14, 18))


def affine_of(size, degrees=(0, 0, 0), tilt=0.0, flips=(1, 1, 1)):
    affine = np.eye(4)
    affine[:3, :3] = rotation(np.array(degrees, dtype=float)) @ np.diag(np.multiply(size, flips))
    if tilt:
        angle = np.radians(tilt)
        affine[1:3, 1] = np.array([np.cos(angle), np.sin(angle)]) * size[1] * flips[1]
    affine[:3, 3] = (12, -30, 55)
    return affine


PERMUTED = affine_of((2, 2.5, 4))[:, [2, 0, 1, 3]]
GEOMETRIES = {
    "RAS": affine_of((3, 3, 3)),
    "LPS": affine_of((3, 3, 3), flips=(-1, -1, 1)),
    "upside down": affine_of((3, 3, 3), flips=(1, -1, -1)),
    "anisotropic": affine_of((2, 2.5, 6)),
    "permuted": PERMUTED,
    "oblique": affine_of((2.5, 2.5, 5), degrees=(8, -12, 20)),
    "oblique LPS": affine_of((2.5, 2.5, 5), degrees=(8, -12, 20), flips=(-1, -1, 1)),
    "tilted": affine_of((2.5, 2.5, 5), tilt=18),
    "tilted LPS": affine_of((2.5, 2.5, 5), tilt=18, flips=(-1, -1, 1)),
}


def centre(weights, affine):
    """Centre of mass in mm."""
    index = np.argwhere(weights > 0)
    mass = weights[weights > 0]
    return affine[:3, :3] @ (index * mass[:, None]).sum(axis=0) / mass.sum() + affine[:3, 3]


def marked():
    voxels = np.zeros(SHAPE, dtype=np.float32)
    voxels[MARK] = 80.0
    return voxels


@pytest.mark.parametrize("spacing", [4.0, (3.0, 5.0, 4.0), None])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_a_mark_comes_back_to_its_own_voxels(name, spacing):
    affine, voxels = GEOMETRIES[name], marked()
    scan = nib.Nifti1Image(voxels, affine)
    reader = VolumeReader(spacing=spacing, shape=(48, 48, 48))
    back = reader.to_scan(reader.read(scan)[0], scan)
    assert back.shape == SHAPE
    assert back.dtype == np.float32
    size = 3.0 if spacing is None else np.min(spacing)
    assert np.linalg.norm(centre(back, affine) - centre(voxels, affine)) < size / 4
    assert back[28, 11, 16] > 0.8  # the middle of the mark
    assert back[:15].max() < 0.01
    assert back[:, 25:].max() < 0.01


def test_arrays_have_no_place_but_their_own():
    reader = VolumeReader(shape=(20, 22, 24))
    back = reader.to_scan(reader.read(marked())[0], marked())
    assert np.linalg.norm(centre(back, np.eye(4)) - centre(marked(), np.eye(4))) < 0.5
    same = VolumeReader(shape=SHAPE)
    assert_allclose(same.to_scan(same.read(marked())[0], marked()) * 80, marked())


def test_slices_that_are_uneven():
    depths = np.array([0.0, 1, 2, 3, 4, 6, 8, 10, 13, 16, 19, 22])
    affine = affine_of((3, 3, 4), tilt=12, flips=(-1, -1, 1))
    voxels = np.zeros((40, 44, 12), dtype=np.float32)
    voxels[20:26, 10:16, 7:9] = 1.0
    scan = Scan(voxels, affine, depths)
    reader = VolumeReader(spacing=4.0, shape=48)
    placed = place(scan, Prepared(scan), reader.settings())
    grid = resample(voxels, affine, (4.0,) * 3, (48,) * 3, 0.0, depths)
    back = placed.back(grid)
    i, j, k = np.nonzero(back)
    weights = back[i, j, k]
    found = [np.average(axis, weights=weights) for axis in (i, j)]
    assert_allclose(found, [22.5, 12.5], atol=0.5)
    assert back.max(axis=(0, 1)).argmax() in (7, 8)


def test_other_voxels_in_the_same_space_come_onto_the_grid():
    for affine in GEOMETRIES.values():
        scan = nib.Nifti1Image(marked(), affine)
        volume, placed = read_placed(VolumeReader(spacing=4.0, shape=48), scan)
        again = placed.onto(placed.scan.voxels / 80, placed.scan)
        assert np.abs(again - volume[0]).max() < 0.35  # another interpolation
        assert np.abs(again - volume[0]).mean() < 1e-3


def test_beyond_the_grid_is_nothing():
    scan = nib.Nifti1Image(marked(), np.diag([5.0, 5, 5, 1]))
    back = VolumeReader(spacing=2.0, shape=32).to_scan(np.ones((32, 32, 32)), scan)
    assert 0 < back.mean() < 0.1
    assert set(np.unique(back)) == {0.0, 1.0}


def test_values_of_another_grid_are_refused():
    with pytest.raises(ValueError, match=r"shape \(4, 4, 4\).*shape \(8, 8, 8\)"):
        VolumeReader(shape=8).to_scan(np.zeros((4, 4, 4)), marked())


def head(degrees, tilt=0.0, flips=(1, 1, 1)):
    """Render a turned head with a bright mark in its brain; gives the mark, too."""
    turn = rotation(np.array(degrees, dtype=float))
    acquisition = draw_acquisition("A", np.random.default_rng(0))
    acquisition = acquisition._replace(turn=turn, move=np.array((6, -5, 4), dtype=np.float32))
    where = straight_grid((72, 80, 44), (2.75, 2.75, 4.25), tilt)
    anatomy = draw_head(60, "male", np.random.default_rng(0))
    hu = render(Drawn(anatomy, None, NO_CONFOUNDERS, acquisition), where)
    place = turn @ (28.0, 35.0, 15.0) + (6, -5, 4 + HEIGHT)
    points = where.points().T - place
    mark = (np.abs(points).max(axis=1) < 9).reshape(hu.shape)
    hu[mark] = 95.0
    ends = tuple(slice(None, None, flip) for flip in flips)
    affine = where.affine.copy()
    for axis, flip in enumerate(flips):
        if flip < 0:
            affine[:3, 3] += affine[:3, axis] * (hu.shape[axis] - 1)
            affine[:3, axis] *= -1
    return nib.Nifti1Image(hu[ends].astype(np.float32), affine), mark[ends]


READERS = {
    "template": VolumeReader(template="head"),
    "upright": VolumeReader(align=True, skull_strip=True, shape=72, spacing=3.0),
    "cropped": VolumeReader(head_margin=5, skull_strip=True, shape=72, spacing=3.0),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "geometry",
    [
        {"degrees": (0, 0, 0)},
        {"degrees": (0, -8, 14), "flips": (-1, -1, 1)},
        {"degrees": (0, 5, -12), "tilt": 14.0, "flips": (-1, 1, 1)},
    ],
    ids=["straight", "turned LPS", "turned and tilted"],
)
def test_a_mark_in_a_brain_comes_back(reader, geometry):
    scan, mark = head(**geometry)
    how = READERS[reader]
    bright = np.clip(how.read(scan)[0] - 0.9, 0, None)  # above 72 HU
    back = how.to_scan(bright, scan)
    parts, _ = ndimage.label(back)
    back[parts != parts.flat[back.argmax()]] = 0  # bone at the rim is bright as well
    missed = centre(back, scan.affine) - centre(mark.astype(float), scan.affine)
    assert np.linalg.norm(missed) < 1.5  # mm; a voxel of the grid has 3 or 3.4
    assert mark[np.unravel_index(back.argmax(), back.shape)]


OTHERS = {
    "own axes": {"axes": "scan", "spacing": 4.0, "shape": 48},
    "first": {"axes": "scan", "first_spacing": 2.0, "spacing": None, "shape": 32},
    "box": {"crop": -40.0, "spacing": None, "shape": 32},
    "all": {
        "axes": "scan",
        "first_spacing": 2.0,
        "crop": -40.0,
        "spacing": "square",
        "shape": 32,
        "interpolation": ("area", "cubic", "nearest"),
    },
}


@pytest.mark.parametrize(
    ("name", "how"),
    [(name, "all") for name in GEOMETRIES]
    + [(name, how) for name in ("permuted", "tilted LPS") for how in ("own axes", "first", "box")],
)
def test_a_mark_comes_back_from_the_axes_of_the_scan(name, how):
    affine, parameters = GEOMETRIES[name], OTHERS[how]
    voxels = np.full(SHAPE, -80.0, dtype=np.float32)
    voxels[20:36, 4:20, 10:22] = 0.0
    voxels[MARK] = 80.0
    scan = nib.Nifti1Image(voxels, affine)
    reader = VolumeReader(**parameters)
    back = reader.to_scan(reader.read(scan)[0], scan)
    assert back.shape == SHAPE
    found = np.where(back > 0.4, back, 0.0)  # splines swing beside an edge
    assert np.linalg.norm(centre(found, affine) - centre(marked(), affine)) < 1.0
    assert back[28, 11, 16] > 0.7
    volume, placed = read_placed(reader, scan)
    again = placed.onto(marked() / 80, placed.scan)
    # Of another interpolation; a mean of what overlaps is wider.
    assert np.corrcoef(again.ravel(), volume[0].ravel())[0, 1] > 0.9


def test_a_box_of_an_array_comes_back():
    voxels = np.full(SHAPE, -1000.0, dtype=np.float32)
    voxels[MARK] = 80.0
    reader = VolumeReader(crop="foreground", shape=(5, 6, 4))
    back = reader.to_scan(reader.read(voxels)[0], voxels)
    assert_allclose(back, voxels > 0)
