from __future__ import annotations

import numpy as np
import pytest

from skedema import VolumeReader
from skedema.datasets._acquisition import draw_acquisition
from skedema.datasets._confounders import NO_CONFOUNDERS
from skedema.datasets._grid import rotation, straight_grid
from skedema.datasets._phantom import draw_head
from skedema.datasets._scan import Drawn, render
from skedema.scans import ScanError
from skedema.scans.brain import brain_mask
from skedema.scans.pose import head_pose, upright
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


def test_real_exams_are_aligned(real_data):
    exams = sorted((real_data / "ct_ich" / "scans").glob("*.nii.gz"))[:6]
    reader = VolumeReader(spacing=9.0, shape=24, align=True)
    volumes = reader.transform([str(path) for path in exams])[:, 0, :, :, 4:20]
    mirrored = [np.corrcoef(v.ravel(), v[::-1].ravel())[0, 1] for v in volumes]
    as_scanned = VolumeReader(spacing=9.0, shape=24).transform([str(path) for path in exams])
    before = [np.corrcoef(v.ravel(), v[::-1].ravel())[0, 1] for v in as_scanned[:, 0, :, :, 4:20]]
    assert np.mean(mirrored) > np.mean(before)
