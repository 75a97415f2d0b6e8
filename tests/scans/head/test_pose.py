from __future__ import annotations

import contextlib

import numpy as np
import pytest

from skedema import VolumeReader
from skedema.datasets._acquisition import draw_acquisition
from skedema.datasets._confounders import NO_CONFOUNDERS
from skedema.datasets._grid import rotation, straight_grid
from skedema.datasets._phantom import draw_head
from skedema.datasets._scan import Drawn, render
from skedema.scans import ScanError, check
from skedema.scans._remarks import gathered
from skedema.scans.errors import NotBelieved
from skedema.scans.files import load_scan
from skedema.scans.head.brain import brain_mask
from skedema.scans.head.pose import head_pose, upright
from skedema.scans.scan import Scan

SHAPE, SPACING = (56, 64, 56), (3.5, 3.5, 3.5)


def head(degrees=(0.0, 0.0, 0.0), move=(0.0, 0.0, 0.0), person=0):
    """Render a head turned about x, y and z and moved, as a scan and the turn."""
    turn = rotation(np.array(degrees))
    acquisition = draw_acquisition("A", np.random.default_rng(0))
    acquisition = acquisition._replace(turn=turn, move=np.array(move, dtype=np.float32))
    anatomy = draw_head(60, "male", np.random.default_rng(person))
    grid = straight_grid(SHAPE, SPACING)
    hu = render(Drawn(anatomy, None, NO_CONFOUNDERS, acquisition), grid)
    return Scan(hu, grid.affine), turn


def pose_of(scan):
    return head_pose(brain_mask(scan.voxels, scan.spacing.tolist()), scan)


def angles(axes):
    """Turn about z and about y, in degrees."""
    return np.degrees([np.arctan2(axes[0, 1], axes[0, 0]), np.arctan2(axes[0, 2], axes[0, 0])])


@pytest.mark.parametrize("degrees", [(0, 0, 0), (0, 0, 12), (0, -9, 0), (0, 7, -15), (5, 4, 6)])
def test_turns_about_the_long_axes_are_found(degrees):
    straight = angles(pose_of(head()[0]).axes)
    scan, turn = head(degrees)
    pose = pose_of(scan)
    assert angles(pose.axes) - straight == pytest.approx(angles(turn.T), abs=1.5)
    np.testing.assert_allclose(pose.axes @ pose.axes.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(pose.axes) == pytest.approx(1)


def test_nodding_is_left_as_it_is():
    pose = pose_of(head((8, 0, 0))[0])
    assert abs(pose.axes[1, 2]) < 0.03


def test_the_middle_moves_with_the_head():
    move = np.array([6.0, -5.0, 4.0])
    moved = pose_of(head(move=move)[0]).centre - pose_of(head()[0]).centre
    np.testing.assert_allclose(moved, move, atol=1.5)


def test_an_upright_head_is_upright():
    scan, _ = head((0, 8, -12))
    turned, centre = upright(scan, pose_of(scan))
    again = pose_of(turned)
    assert again.degrees < 1
    np.testing.assert_allclose(again.centre, centre, atol=1.5)
    assert turned.voxels is scan.voxels


def image(scan):
    nib = pytest.importorskip("nibabel")
    return nib.Nifti1Image(scan.voxels, scan.affine)


def test_the_reader_brings_heads_into_one_place():
    straight, turned = (
        image(head(d, m)[0]) for d, m in [((0,) * 3, (0,) * 3), ((0, 6, 14), (8, -6, 5))]
    )
    apart, together = (
        np.corrcoef(
            *VolumeReader(spacing=7.0, shape=24, align=align)
            .transform([straight, turned])
            .reshape(2, -1)
        )[0, 1]
        for align in (False, True)
    )
    assert apart < 0.9 < 0.97 < together


def test_the_pose_does_not_depend_on_the_order_of_the_voxels():
    scan, _ = head((0, 5, 9))
    flipped = scan.affine @ np.array(
        [[-1, 0, 0, SHAPE[0] - 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    )
    pose, other = pose_of(scan), pose_of(Scan(scan.voxels[::-1], flipped))
    np.testing.assert_allclose(pose.axes, other.axes, atol=0.02)
    np.testing.assert_allclose(pose.centre, other.centre, atol=1.0)


def test_uneven_slices_lie_where_they_are_said_to():
    scan, _ = head((0, 0, 10))
    kept = np.r_[0:30, 30:56:2]
    uneven = Scan(scan.voxels[:, :, kept], scan.affine, kept.astype(float))
    np.testing.assert_allclose(pose_of(uneven).axes, pose_of(scan).axes, atol=0.03)


def angle_off(pose, turn):
    """Degrees between the plane that was found and the head's own."""
    return np.degrees(np.arccos(np.clip(pose.axes[0] @ turn[:, 0], -1, 1)))


@pytest.mark.parametrize("degrees", [(-25, 0, 0), (0, 25, 0), (0, 0, -25), (20, -14, 22)])
def test_large_turns_are_found_and_only_turn(degrees):
    scan, turn = head(degrees, person=3)
    pose = pose_of(scan)
    assert angle_off(pose, turn) < 3
    assert pose.symmetry > 0.99
    turned = upright(scan, pose)[0].affine[:3, :3]
    np.testing.assert_allclose(turned.T @ turned, np.diag(np.square(SPACING)), atol=1e-9)
    assert np.linalg.det(turned) == pytest.approx(np.prod(SPACING))


def cut(scan, axis, part):
    """Cut a scan to a part along an axis."""
    index = [slice(None)] * 3
    index[axis] = part
    affine = scan.affine.copy()
    affine[:3, 3] += affine[:3, axis] * (part.start or 0)
    return Scan(scan.voxels[tuple(index)], affine)


@pytest.mark.parametrize("part", [slice(24, None), slice(0, 46)])
def test_slices_that_end_within_the_head_pull_the_plane_nowhere(part):
    scan, turn = head((0, 10, -12))
    with contextlib.suppress(NotBelieved):  # a vertex alone is round
        assert angle_off(pose_of(cut(scan, 2, part)), turn) < 6


def test_a_piece_of_skull_that_is_missing_does_not_matter():
    scan, turn = head((0, 6, 12))
    x, y, z = np.moveaxis(np.indices(SHAPE), 0, -1).reshape(-1, 3).T.reshape(3, *SHAPE)
    flap = (x > 36) & (abs(y - 30) < 11) & (abs(z - 36) < 8) & (scan.voxels > 90)
    assert flap.sum() > 100
    scan.voxels[flap] = 40
    assert angle_off(pose_of(scan), turn) < 6


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda s: cut(s, 0, slice(28, None)), "cuts off a side of the head"),
        (lambda s: cut(s, 0, slice(0, 36)), "cuts off a side of the head"),
        (lambda s: cut(s, 1, slice(0, 34)), "cuts off a side of the head"),
    ],
)
def test_a_head_that_is_not_whole_is_left_as_scanned(change, why):
    scan = change(head((0, 8, 20))[0])
    with pytest.raises(NotBelieved, match=why):
        pose_of(scan)
    reader = VolumeReader(spacing=7.0, shape=24, align=True)
    with pytest.warns(UserWarning, match=f"1 of 1 scans is left as scanned.*({why})"):
        volume = reader.read(image(scan))
    plain = VolumeReader(spacing=7.0, shape=24).read(image(scan))
    np.testing.assert_array_equal(volume, plain)
    found = check([image(scan)], volume=reader)["findings"][0]
    assert any("left as scanned" in text for text in found)
    assert not any("left as scanned" in text for text in check([image(scan)])["findings"][0])


def cavity(*radii):
    z, y, x = (np.arange(-24, 25) * 4.0,) * 3
    inside = (x[:, None, None] / radii[0]) ** 2 + (y[:, None] / radii[1]) ** 2
    return (inside + (z / radii[2]) ** 2 < 1) & (z > -0.5 * radii[2])


def test_what_is_not_alike_on_both_sides_or_on_all_is_not_believed():
    scan = Scan(np.zeros((49, 49, 49)), np.diag([4.0, 4, 4, 1]))
    assert head_pose(cavity(66, 84, 60), scan).degrees < 1
    assert head_pose(cavity(69, 76, 60), scan).degrees < 1.5  # rounder than any adult's
    with pytest.raises(NotBelieved, match="several planes"):
        head_pose(cavity(72, 72, 60), scan)
    with pytest.raises(NotBelieved, match="wider than long"):
        head_pose(cavity(84, 66, 60), scan)
    part = cavity(66, 84, 60)
    part[28:, :20, 22:] = False
    with pytest.raises(NotBelieved, match="no plane of symmetry"):
        head_pose(part, scan)


def test_a_head_on_its_side_is_left_as_scanned():
    scan, _ = head((0, 0, 62))
    with pytest.raises(NotBelieved, match=r"turned by [4-9]\d degrees|no plane|wider than long"):
        pose_of(scan)


def test_what_cannot_be_aligned_says_so():
    mask = np.ones((20, 20, 20), dtype=bool)
    with pytest.raises(ScanError, match=r"no geometry; use align=False"):
        head_pose(mask, Scan(mask.astype(float), None))
    with pytest.raises(ScanError, match=r"brain is not found"):
        head_pose(~mask, Scan(mask.astype(float), np.eye(4)))
    with pytest.raises(ScanError, match=r"its brain cannot be found.*use align=False"):
        VolumeReader(align=True).transform([np.zeros((8, 8, 8))])
    with pytest.raises(ValueError, match=r"align=True needs a spacing"):
        VolumeReader(align=True, spacing=None).transform([])
    with pytest.raises(TypeError, match=r"align=1: give True or False"):
        VolumeReader(align=1).settings()


def test_the_summary_says_it():
    assert VolumeReader(align=True).summary().startswith("head upright, RAS grid of")


def exams(real_data):
    return sorted((real_data / "ct_ich" / "scans").glob("*.nii.gz"))


def test_the_exam_of_an_infant_is_left_as_scanned(real_data):
    path = next(path for path in exams(real_data) if "085" in path.name)
    with pytest.warns(UserWarning, match=r"1 of 1 scans is left as scanned.*wider than long"):
        volume = VolumeReader(spacing=9.0, shape=24, align=True, skull_strip=True).read(path)
    stripped = VolumeReader(spacing=9.0, shape=24, skull_strip=True)
    np.testing.assert_array_equal(volume, stripped.read(path))


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_all_other_real_exams_are_upright(real_data, part):
    paths = [path for path in exams(real_data) if "085" not in path.name]
    for path in paths[part::4]:
        scan = load_scan(path)
        mask = brain_mask(scan.voxels, scan.spacing.tolist())
        pose = head_pose(mask, scan)
        assert pose.symmetry > 0.97
        assert pose.degrees < 45
        # Who finds it once more in what was turned finds it upright.
        turned, _ = upright(scan, pose)
        assert head_pose(mask, turned).degrees < 3, path
        with gathered() as told:
            VolumeReader(spacing=9.0, shape=24, align=True, skull_strip=True).read(path)
        assert told == []


def test_real_exams_are_aligned(real_data):
    exams = sorted((real_data / "ct_ich" / "scans").glob("*.nii.gz"))[:6]
    reader = VolumeReader(spacing=9.0, shape=24, align=True)
    volumes = reader.transform([str(path) for path in exams])[:, 0, :, :, 4:20]
    mirrored = [np.corrcoef(v.ravel(), v[::-1].ravel())[0, 1] for v in volumes]
    as_scanned = VolumeReader(spacing=9.0, shape=24).transform([str(path) for path in exams])
    before = [np.corrcoef(v.ravel(), v[::-1].ravel())[0, 1] for v in as_scanned[:, 0, :, :, 4:20]]
    assert np.mean(mirrored) > np.mean(before)
