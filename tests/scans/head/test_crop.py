from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from skedema.datasets import make_head_ct_cohort
from skedema.scans.errors import ScanError
from skedema.scans.files import load_scan
from skedema.scans.head.crop import crop, head_box
from skedema.scans.scan import Scan


def block(spacing=(3.0, 3.0, 5.0), shape=(60, 70, 30)):
    """A head of 20 x 25 x 15 voxels from (20, 25, 8), over a table."""
    hu = np.full(shape, -1000, dtype=np.float32)
    hu[20:40, 25:50, 8:23] = 40
    hu[:, 15:17, :] = 200  # 6 mm thick
    return hu, np.diag([*spacing, 1.0])


@pytest.mark.parametrize(
    ("margin", "expected"),
    [
        (0.0, [(20, 40), (25, 50), (8, 23)]),
        (5.0, [(19, 41), (24, 51), (7, 24)]),  # 1 voxel of 3 mm, 1 of 5
        (6.0, [(18, 42), (23, 52), (7, 24)]),
        (1000.0, [(0, 60), (0, 70), (0, 30)]),
    ],
)
def test_the_box_holds_the_head_and_the_margin_in_mm(margin, expected):
    hu, affine = block()
    assert [(part.start, part.stop) for part in head_box(hu, affine, margin)] == expected


def test_a_table_that_touches_the_head_is_cut_away():
    hu, affine = block()
    hu[:, 15:17, :] = -1000
    hu[:, 23:25, :] = 200
    box = head_box(hu, affine, margin=0)
    # What a ball reaches stays: the 6 mm of the table under the head, and 5 mm beside it.
    for part, first, stop, step in zip(box, (20, 25, 8), (40, 50, 23), (3, 3, 5), strict=True):
        assert 0 <= (first - part.start) * step <= 6
        assert 0 <= (part.stop - stop) * step <= 5


def test_fine_voxels_are_boxed_to_two_mm():
    hu = np.full((200, 210, 20), -1000, dtype=np.float32)
    hu[53:151, 61:177, 5:16] = 40
    box = head_box(hu, np.diag([0.7, 0.7, 5, 1]), margin=0)
    for part, (first, stop) in zip(box[:2], [(53, 151), (61, 177)], strict=True):
        assert abs(part.start - first) * 0.7 <= 2
        assert abs(part.stop - stop) * 0.7 <= 2
    assert box[2] == slice(5, 16)


def test_air_clipped_by_a_brain_window_is_still_air():
    hu, affine = block()
    assert head_box(hu.clip(-20, 100), affine) == head_box(hu, affine)


def positions(scan):
    """RAS mm of every voxel, shape (X, Y, Z, 3)."""
    x, y, z = (np.arange(n, dtype=float) for n in scan.voxels.shape)
    grids = np.meshgrid(x, y, z if scan.depths is None else scan.depths, indexing="ij")
    return np.stack(grids, axis=-1) @ scan.affine[:3, :3].T + scan.affine[:3, 3]


@pytest.mark.parametrize("uneven", [False, True])
def test_every_voxel_keeps_its_position_in_mm(uneven):
    hu, affine = block()
    hu += np.random.default_rng(0).normal(0, 2, hu.shape).astype(np.float32)
    affine[:3, :3] = [[0, -3.0, 0.4], [3.0, 0.1, 0], [0, 0, 5.0]]  # turned and sheared
    affine[:3, 3] = (-70, 33, 12)
    depths = np.arange(30) + np.where(np.arange(30) > 12, 0.7, 0.0) if uneven else None
    scan = Scan(hu, affine, depths)
    small = crop(scan, margin=4)
    assert small.voxels.size < hu.size / 3
    box = head_box(hu, affine, 4, depths)
    assert np.array_equal(small.voxels, hu[box])
    np.testing.assert_allclose(positions(small), positions(scan)[box], atol=1e-9)
    assert (small.depths is None) is not uneven
    assert scan.affine is affine  # and as it was
    assert affine[0, 3] == -70


def test_the_margin_follows_uneven_slices():
    hu, affine = block()
    depths = np.arange(30.0)
    depths[:8] -= 3  # the slices below the head lie 4 steps (20 mm) lower
    assert head_box(hu, affine, 15.0, depths)[2] == slice(8, 26)
    assert head_box(hu, affine, 20.0, depths)[2] == slice(7, 27)


def test_simulated_heads_lie_in_their_box(tmp_path):
    for path in make_head_ct_cohort(2, tmp_path, random_state=1).frame["scan"]:
        scan = load_scan(path)
        padded = np.pad(scan.voxels, 12, constant_values=-1024)
        padded[:, 3:5, :] = 100  # a table, away from the head
        box = head_box(padded, scan.affine, margin=0)
        head = padded > -300
        head[:, 3:5, :] = False
        assert head[box].sum() > 0.995 * head.sum()
        assert all(part.start >= 11 for part in box)
        sizes = [part.stop - part.start for part in box]
        assert all(100 < size * 3.25 < 215 for size in sizes)


def test_without_a_head_or_a_geometry_nothing_is_cropped():
    hu, affine = block()
    with pytest.raises(ScanError, match=r"no head found: .*read it without cropping"):
        head_box(np.full_like(hu, -1000), affine)
    with pytest.raises(ScanError, match="no head found"):
        crop(Scan(hu, affine / 10))
    with pytest.raises(ScanError, match=r"no geometry.*read it without cropping"):
        crop(Scan(hu, None))
    with pytest.raises(ValueError, match="margin"):
        head_box(hu, affine, margin=-1)
    with pytest.raises(ValueError, match=r"shape \(60, 70\)"):
        head_box(hu[..., 0], affine)


def test_real_heads_have_a_head_s_size(real_data):
    paths = sorted((real_data / "ct_ich" / "scans").glob("*.nii.gz"))[::16]
    for path in [*paths, real_data / "ge_tilt_dcm2niix.nii.gz"]:
        image = nib.load(path)
        box = head_box(np.asanyarray(image.dataobj), image.affine)
        steps = np.sqrt((image.affine[:3, :3] ** 2).sum(axis=0))
        wide, long, _ = (
            (part.stop - part.start) * step for part, step in zip(box, steps, strict=True)
        )
        assert 130 < wide < 215
        assert 160 < long < 240
