from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from skedema.datasets import make_head_ct_cohort
from skedema.datasets._acquisition import draw_acquisition, head_points, scan
from skedema.datasets._confounders import draw_confounders
from skedema.datasets._grid import straight_grid
from skedema.datasets._lesions import place_lesion
from skedema.datasets._phantom import draw_head, in_cavity
from skedema.datasets._scan import Drawn, render
from skedema.scans import VolumeReader, check
from skedema.scans.errors import NotBelieved, ScanError
from skedema.scans.files import load_scan
from skedema.scans.grid import resample
from skedema.scans.head.brain import bone_share, brain_mask, check_mask, keep_brain, trusted_mask


def head(shape=(80, 90, 36), spacing=(2.5, 2.5, 5.0)):
    """An ellipsoid of brain in bone, skin and air over a table; the brain, and the HU."""
    grids = straight_grid(shape, spacing).points().reshape(3, *shape)

    def within(mm):
        radii = zip(grids, np.array([62, 78, 60]) + mm, strict=True)
        return sum((grid / radius) ** 2 for grid, radius in radii) < 1

    hu = np.full(shape, -1000, dtype=np.float32)
    hu[within(18)] = 40
    hu[within(12)] = 1000
    brain = within(0)
    hu[brain] = 35
    hu[:, 2:4, :] = 200  # the table
    return brain, hu


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


@pytest.mark.parametrize("spacing", [(2.5, 2.5, 5.0), (2.5, 2.5, 2.5), (1.0, 1.25, 8.0)])
def test_the_brain_of_an_ellipsoid_head_is_found_to_the_voxel(spacing):
    shape = tuple(int(mm / step) for mm, step in zip((190, 220, 170), spacing, strict=True))
    brain, hu = head(shape, spacing)
    assert np.array_equal(brain_mask(hu, spacing), brain)


def test_orientation_does_not_matter():
    brain, hu = head()
    turned = brain_mask(hu.transpose(2, 0, 1)[::-1], (5.0, 2.5, 2.5))
    assert np.array_equal(turned, brain.transpose(2, 0, 1)[::-1])


def test_lime_and_noise_in_the_brain_are_filled():
    brain, hu = head()
    noisy = hu + np.random.default_rng(0).normal(0, 8, hu.shape)
    noisy[40:44, 45:48, 18:20] = 400
    noisy[30, 45, 18] = -200
    mask = brain_mask(noisy, (2.5, 2.5, 5.0))
    assert mask[38:46, 43:50, 16:22].all()
    assert mask[30, 45, 18]
    assert dice(mask, brain) > 0.99


def test_clipping_to_a_brain_window_changes_nothing():
    brain, hu = head()
    assert np.array_equal(brain_mask(hu.clip(-20, 100), (2.5, 2.5, 5.0)), brain)


@pytest.mark.parametrize("spacing", [(3.0, 3.0, 5.0), (2.5, 2.5, 2.5), (4.0, 4.0, 5.0)])
def test_bone_that_was_clipped_and_then_averaged_is_bone(spacing):
    brain, hu = head((120, 130, 44), (1.6, 1.7, 4.0))
    affine = np.diag([1.6, 1.7, 4.0, 1.0])
    shape = tuple(int(mm / step) for mm, step in zip((190, 220, 170), spacing, strict=True))
    clipped = resample(hu, affine, spacing, shape, -20, limits=(-20, 100))
    expected = resample(brain.astype(np.float32), affine, spacing, shape, 0) > 0.5
    mask = brain_mask(clipped, spacing)
    assert dice(mask, expected) > 0.92  # its rim lies within a voxel of either grid
    check_mask(clipped, mask, spacing)


def test_a_hole_in_the_skull_lets_no_scalp_in():
    brain, hu = head()
    hu[38:41, :45, 17:19] = np.where(hu[38:41, :45, 17:19] == 1000, 40, hu[38:41, :45, 17:19])
    mask = brain_mask(hu, (2.5, 2.5, 5.0))
    assert mask[brain].all()
    assert (mask & ~brain).sum() * 2.5 * 2.5 * 5 / 1000 < 1  # ml; the hole has 2
    assert not mask[hu == -1000].any()


def test_a_cut_off_head_has_its_brain_up_to_the_edge():
    brain, hu = head()
    assert np.array_equal(brain_mask(hu[:, :, 12:26], (2.5, 2.5, 5.0)), brain[:, :, 12:26])


@pytest.mark.parametrize("spacing", [(3.25, 3.25, 3.25), (1.8, 1.8, 5.0)])
def test_the_mask_is_the_cavity_of_simulated_heads(spacing):
    shape = tuple(round(208 / step) for step in spacing)
    for seed in (0, 1):
        rng = np.random.default_rng(seed)
        drawn = Drawn(
            head=draw_head(60, "female", rng),
            lesion=place_lesion("infarct", 1.0, rng),
            confounders=draw_confounders(60, rng),
            acquisition=draw_acquisition("A", rng),
        )
        grid = straight_grid(shape, spacing)
        hu = scan(render(drawn, grid), drawn.acquisition, grid, rng)
        points = head_points(drawn.acquisition, grid)
        cavity = (in_cavity(drawn.head, points) < 0).reshape(shape)
        mask = brain_mask(hu, spacing)
        # Partial volume blurs the rim by a voxel; nothing beyond is taken in.
        assert dice(mask, cavity) > 0.94
        assert (mask & ~cavity).sum() < 0.01 * cavity.sum()


def test_the_brain_of_a_cohort_on_disk_has_a_brain_s_size(tmp_path):
    for path in make_head_ct_cohort(2, tmp_path, random_state=0).frame["scan"]:
        scan = load_scan(path)
        volume = brain_mask(scan.voxels, (3.25, 3.25, 3.25)).sum() * 3.25**3 / 1000
        assert 900 < volume < 1800


@pytest.mark.parametrize(
    ("hu", "what"),
    [
        (np.full((20, 20, 20), 35.0), "no bone, the highest value is 35 HU"),
        (np.full((20, 20, 20), 1000.0), "nothing of 0 to 100 HU"),
        (np.pad(np.full((8, 8, 8), 35.0), 2, constant_values=900), "within a skull has .* ml"),
    ],
)
def test_no_brain_is_an_error_with_the_remedy(hu, what):
    with pytest.raises(ScanError, match=f"no brain found: .*{what}.*; check that"):
        brain_mask(hu, (5.0, 5.0, 5.0))


def test_what_is_no_volume_is_refused():
    with pytest.raises(ValueError, match=r"shape \(3, 3\)"):
        brain_mask(np.zeros((3, 3)), (1, 1, 1))
    with pytest.raises(ValueError, match="three lengths above 0"):
        brain_mask(np.zeros((3, 3, 3)), (1, 0, 1))


def test_all_but_the_brain_becomes_air():
    brain, hu = head()
    kept = keep_brain(hu.astype(np.int16), brain)
    assert kept.dtype == np.int16
    assert set(np.unique(kept)) == {-1024, 35}
    with pytest.raises(ValueError, match="mask of the same scan"):
        keep_brain(hu, brain[1:])


@pytest.mark.parametrize("spacing", [(2.5, 2.5, 5.0), (2.5, 2.5, 2.5), (1.0, 1.25, 8.0)])
def test_the_surface_of_a_brain_lies_on_bone(spacing):
    shape = tuple(int(mm / step) for mm, step in zip((190, 220, 170), spacing, strict=True))
    brain, hu = head(shape, spacing)
    assert bone_share(hu, brain, spacing) > 0.99
    cut = slice(shape[0] // 2, None)  # where the scan ends is no surface
    assert bone_share(hu[cut], brain[cut], spacing) > 0.99
    check_mask(hu, brain, spacing)


@pytest.mark.parametrize("wrong", ["half", "leaks", "nothing", "core"])
def test_a_mask_whose_surface_lies_elsewhere_is_not_believed(wrong):
    brain, hu = head()
    mask = brain.copy()
    if wrong == "half":
        mask[:40] = False
        mask[:, 45:] = False
    elif wrong == "leaks":
        mask |= hu > -500
    elif wrong == "nothing":
        mask[:] = False
    else:
        mask &= np.roll(brain, 12, axis=0) & np.roll(brain, -12, axis=0)
    with pytest.raises(NotBelieved, match=r"only \d+% of the surface of its brain mask"):
        check_mask(hu, mask, (2.5, 2.5, 5.0))


@pytest.mark.parametrize("options", [{"skull_strip": True}, {"skull_strip": True, "align": True}])
@pytest.mark.parametrize("wrong", ["no skull", "dark brain"])
def test_a_reader_goes_on_without_a_mask_and_says_so(options, wrong):
    brain, hu = head()
    if wrong == "no skull":
        hu = hu.clip(-1000, 80)
    else:
        # Swollen and dark, as in an infant: much of it is below 0 HU.
        x, y = np.indices(hu.shape)[:2]
        hu[brain & (x > 34) & (y > 30)] = -20
    scan = nib.Nifti1Image(hu, np.diag([2.5, 2.5, 5.0, 1.0]))
    reader = VolumeReader(spacing=9.0, shape=24, **options)
    with pytest.warns(UserWarning, match=r"1 of 2 scans is read without a brain mask") as caught:
        volumes = reader.transform([scan, nib.Nifti1Image(head()[1], scan.affine)])
    assert len(caught) == 1
    assert "row 0" in str(caught[0].message)
    plain = VolumeReader(spacing=9.0, shape=24)
    np.testing.assert_array_equal(volumes[0], plain.read(scan))
    assert (volumes[1] != plain.read(nib.Nifti1Image(head()[1], scan.affine))).any()
    found = check([scan], volume=reader)["findings"][0]
    assert any("read without a brain mask" in text for text in found)


def millilitres(path):
    image = nib.load(path)
    spacing = np.sqrt((image.affine[:3, :3] ** 2).sum(axis=0))
    return brain_mask(np.asanyarray(image.dataobj), spacing).sum() * spacing.prod() / 1000


def test_real_brains_have_a_plausible_size(real_data):
    paths = sorted((real_data / "ct_ich" / "scans").glob("*.nii.gz"))[::8]
    volumes = np.array([millilitres(path) for path in paths])
    assert 1300 < np.median(volumes) < 1600
    # Sizes in mm are assumed in these files, and a few are of children.
    assert ((volumes > 900) & (volumes < 1800)).mean() > 0.85


def test_the_brain_of_an_infant_with_a_thin_skull_is_found(real_data):
    scan = load_scan(real_data / "ct_ich" / "scans" / "sub-085_ct.nii.gz")
    spacing = scan.spacing.tolist()
    with pytest.raises(NotBelieved, match="57%"):
        check_mask(scan.voxels, brain_mask(scan.voxels, spacing), spacing)
    mask = trusted_mask(scan.voxels, spacing)
    assert bone_share(scan.voxels, mask, spacing, bone=85) > 0.9
    assert mask.sum() * scan.spacing.prod() / 1000 == pytest.approx(740, abs=40)


def test_real_brains_are_found_on_a_coarse_grid_of_clipped_values(real_data):
    for path in sorted((real_data / "ct_ich" / "scans").glob("*.nii.gz"))[1::9]:
        scan = load_scan(path)
        shape = np.ceil(scan.voxels.shape * scan.spacing / [3, 3, 5]).astype(int)
        hu = resample(scan.voxels, scan.affine, (3, 3, 5), shape, -20, limits=(-20, 100))
        mask = brain_mask(hu, (3, 3, 5))
        check_mask(hu, mask, (3, 3, 5))
        assert mask.sum() * 0.045 == pytest.approx(millilitres(path), rel=0.07)


def test_the_brain_of_a_tilted_exam_has_a_plausible_size(real_data):
    assert 1300 < millilitres(real_data / "ge_tilt_dcm2niix.nii.gz") < 1600
