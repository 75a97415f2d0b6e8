"""What is done to a scan before, and how it is brought onto the grid, against others' doing."""

from __future__ import annotations

import warnings

import nibabel as nib
import numpy as np
import pytest
import torch
from nibabel.orientations import apply_orientation, inv_ornt_aff
from numpy.testing import assert_allclose, assert_array_equal

import skedema
from skedema import VolumeReader
from skedema.datasets._grid import rotation
from skedema.scans import ScanError, check

WINDOWS = ["brain", "subdural", "bone_wide"]
# How FM-HCT (arXiv:2502.02779) and HLIP (arXiv:2505.21862) prepare head CT.
FM_HCT = {
    "axes": "scan",
    "first_spacing": 1.0,
    "crop": "foreground",
    "window_first": True,
    "interpolation": "area",
    "spacing": None,
    "windows": WINDOWS,
}
HLIP = {
    "axes": "scan",
    "spacing": "square",
    "interpolation": ("area", "area", "nearest"),
    "window_first": True,
    "windows": WINDOWS,
}


def head(shape=(24, 26, 14), seed=0):
    """Draw an ellipsoid of noise in air, on a table."""
    rng = np.random.default_rng(seed)
    axes = [np.linspace(-1.2, 1.2, n) for n in shape]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    inside = x**2 + (y - 0.1) ** 2 + z**2 < 1
    hu = np.where(inside, rng.normal(40, 30, shape), rng.normal(-1000, 5, shape))
    hu[np.abs(np.sqrt(x**2 + (y - 0.1) ** 2 + z**2) - 1) < 0.08] = 1200
    hu[8:18, 1:3] = 20
    return hu.astype(np.float32)


AFFINE = np.diag([3.1, 3.1, 5.3, 1.0])


def by_monai(hu, affine, shape):
    """Prepare a scan with MONAI as the weights of FM-HCT were trained."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from monai.data import MetaTensor
        from monai.transforms import (
            CropForeground,
            Orientation,
            Resize,
            ScaleIntensityRange,
            Spacing,
        )

        x = MetaTensor(torch.from_numpy(np.array(hu))[None], affine=torch.from_numpy(affine))
        x = Spacing(pixdim=(1, 1, 1), mode=3, padding_mode="border")(Orientation("RAS")(x))
        x = CropForeground(select_fn=lambda voxels: voxels > 0, margin=0)(x)
        ranges = ((0, 80), (-20, 180), (-800, 2000))
        x = torch.cat([ScaleIntensityRange(low, high, 0, 1, clip=True)(x) for low, high in ranges])
        return np.asarray(Resize(shape, mode="area")(x))


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, -1, 1), (-1, 1, -1)])
def test_the_pipeline_of_fm_hct_is_that_of_monai(flips):
    pytest.importorskip("monai")
    affine = AFFINE @ np.diag([*flips, 1.0])
    shape = (24, 20, 16)
    volume = VolumeReader(**FM_HCT, shape=shape).read(nib.Nifti1Image(head(), affine))
    # MONAI's splines have float64 and ours float32 weights: 1e-3 HU, in a window of 80 HU.
    assert_allclose(volume, by_monai(head(), affine, shape), atol=5e-5)


def test_the_pipeline_of_hlip_is_that_of_torch():
    hu = head((32, 24, 12))
    volume = VolumeReader(**HLIP, shape=(16, 16, 10)).read(nib.Nifti1Image(hu, AFFINE))
    for channel, (low, high) in zip(volume, ((0, 80), (-20, 180), (-800, 2000)), strict=True):
        x = torch.from_numpy(np.clip((hu - low) / (high - low), 0, 1))
        x = torch.nn.functional.pad(x.permute(2, 0, 1), (4, 4), value=0.0)  # to a square
        x = torch.nn.functional.interpolate(x[None], (16, 16), mode="bilinear")
        x = x[0].flip(0)  # slices from top to bottom
        x = torch.nn.functional.interpolate(x[None, None], (10, 16, 16), mode="nearest-exact")
        assert_allclose(channel, x[0, 0].flip(0).permute(1, 2, 0), atol=1e-5)


@pytest.mark.parametrize("parameters", [FM_HCT, HLIP], ids=["fm_hct", "hlip"])
def test_however_a_scan_is_stored_it_is_read_alike(parameters):
    reader, hu = VolumeReader(**parameters, shape=16), head()
    expected = reader.read(nib.Nifti1Image(hu, AFFINE))
    for order, flips in (
        ((0, 1, 2), (-1, -1, 1)),
        ((2, 0, 1), (1, -1, -1)),
        ((1, 2, 0), (-1, 1, 1)),
    ):
        orientation = np.column_stack([order, flips])
        stored = np.array(apply_orientation(hu, orientation))
        affine = AFFINE @ inv_ornt_aff(orientation, hu.shape)
        turned = np.eye(4)
        turned[:3, :3] = rotation(np.array([8.0, -12, 20]))
        for each in (affine, turned @ affine):  # an oblique scan is not turned
            again = reader.read(nib.Nifti1Image(stored, each))
            assert_allclose(again, expected, atol=2e-4)


def test_an_oblique_scan_is_turned_to_the_patients_axes_unless_it_shall_not():
    turned = np.eye(4)
    turned[:3, :3] = rotation(np.array([0.0, 0, 25]))
    scan, straight = nib.Nifti1Image(head(), turned @ AFFINE), nib.Nifti1Image(head(), AFFINE)
    reader = VolumeReader(spacing=4, shape=24)
    assert np.abs(reader.read(scan) - reader.read(straight)).mean() > 0.02
    reader.set_params(axes="scan")
    assert_allclose(reader.read(scan), reader.read(straight), atol=1e-4)
    assert_array_equal(reader.read(straight), VolumeReader(spacing=4, shape=24).read(straight))


def test_the_box_of_the_foreground_is_read_and_nothing_else():
    hu = np.full((20, 22, 12), -1000.0, dtype=np.float32)
    hu[4:11, 6:16, 2:9] = 60
    for crop, box in (("foreground", np.s_[4:11, 6:16, 2:9]), (59, np.s_[4:11, 6:16, 2:9])):
        reader = VolumeReader(spacing=None, shape=(7, 10, 7), crop=crop)
        volume = reader.read(nib.Nifti1Image(hu, AFFINE))
        assert_allclose(volume[0], hu[box] / 80)
        assert_allclose(reader.read(hu)[0], hu[box] / 80)  # an array has a box as well
    with pytest.raises(ScanError, match="nothing of it is above 60 HU"):
        VolumeReader(crop=60).read(hu)
    VolumeReader(crop=None).read(hu)
    findings = check([hu], volume=VolumeReader(crop=60))["findings"][0]
    assert any("nothing of it is above 60 HU" in each for each in findings)


def test_windows_clip_before_the_average_or_after():
    hu = np.full((4, 4, 4), 40.0, dtype=np.float32)
    hu[::2] = 1000
    parameters = {"shape": (2, 4, 4), "windows": ["brain", "bone"], "axes": "scan"}
    parameters |= {"interpolation": "area", "spacing": None}
    after = VolumeReader(**parameters).read(hu)
    before = VolumeReader(**parameters, window_first=True).read(hu)
    assert_allclose(after[:, 0, 0, 0], [1, (520 + 400) / 2000], atol=1e-6)
    assert_allclose(before[:, 0, 0, 0], [0.75, (520 + 400) / 2000], atol=1e-6)


def test_a_square_keeps_proportions_with_air_beside():
    hu = np.full((10, 20, 6), 80.0, dtype=np.float32)
    scan = nib.Nifti1Image(hu, np.diag([2.0, 2.0, 5.0, 1.0]))
    volume = VolumeReader(spacing="square", shape=(20, 20, 3)).read(scan)[0]
    assert_array_equal(volume[5:15], 1)
    assert_array_equal(volume[:5], 0)
    assert_array_equal(volume[15:], 0)
    with pytest.raises(
        ScanError, match="no geometry; give a NIfTI file or image, or use spacing=N"
    ):
        VolumeReader(spacing="square").read(hu)
    assert "no geometry" in check([hu], volume=VolumeReader(spacing="square"))["findings"][0][-1]


def test_arrays_along_their_own_axes_have_no_size_in_mm_which_is_told():
    reader = VolumeReader(axes="scan", spacing=2, shape=8)
    with pytest.warns(UserWarning, match=r"stretched onto the grid.*row 1.*or spacing=None"):
        reader.transform([nib.Nifti1Image(head(), AFFINE), head()])
    reader.set_params(spacing=None).read(head())


def test_a_first_spacing_needs_a_geometry_and_is_bounded():
    reader = VolumeReader(**FM_HCT, shape=8)
    with pytest.raises(ScanError, match=r"no geometry.*use first_spacing=None"):
        reader.read(head())
    with pytest.raises(ScanError, match=r"allow it by VolumeReader.max_bytes=") as refused:
        reader.set_params(max_bytes=200_000).read(nib.Nifti1Image(head(), AFFINE))
    allowed = int(str(refused.value).partition("VolumeReader(max_bytes=")[2].partition(")")[0])
    reader.set_params(max_bytes=allowed).read(nib.Nifti1Image(head(), AFFINE))


def test_a_reader_is_saved_with_all_of_it(tmp_path):
    for parameters in (FM_HCT, HLIP):
        reader = VolumeReader(**parameters)
        skedema.save(reader, tmp_path / "reader.skedema")
        again = skedema.load(tmp_path / "reader.skedema")
        assert again.settings() == reader.settings()


@pytest.mark.slow
@pytest.mark.numerical
@pytest.mark.parametrize(
    ("name", "box", "means", "stds", "tolerance"),
    [
        # MONAI 1.6.1 lays the 1 mm grid of an oblique scan by the middle of its corner voxels, up
        # to half a voxel (1.3 mm here) off; that of a straight one begins at its first voxel, as
        # ours does for both.
        (
            "ge_tilt_dcm2niix.nii.gz",
            (198, 215, 145),
            (0.2670, 0.2163, 0.1842),
            (0.3463, 0.3115, 0.1808),
            3e-3,
        ),
        (
            "ct_ich/scans/sub-049_ct.nii.gz",
            (226, 225, 156),
            (0.2554, 0.1569, 0.2897),
            (0.3316, 0.1920, 0.0138),
            1e-4,
        ),
    ],
)
def test_real_scans_have_the_figures_of_the_training(real_data, name, box, means, stds, tolerance):
    reader = VolumeReader(**FM_HCT, shape=96)
    volume = reader.read(real_data / name)
    assert_allclose(volume.mean(axis=(1, 2, 3)), means, atol=tolerance)
    assert_allclose(volume.std(axis=(1, 2, 3)), stds, atol=tolerance)
    from skedema.scans._reading import loaded

    _, prepared = loaded(real_data / name, reader.settings(), reader)
    assert prepared.scan.voxels.shape == box


@pytest.mark.parametrize(
    "parameters", [{"axes": "scan", "spacing": 4}, FM_HCT], ids=["axes", "all"]
)
def test_the_real_tilted_series_is_read_as_what_dcm2niix_makes_of_it(real_data, parameters):
    reader = VolumeReader(**{**parameters, "crop": 200, "shape": 48, "windows": "bone_wide"})
    ours = reader.read(real_data / "ge_tilt_dicom")
    theirs = reader.read(real_data / "ge_tilt_dcm2niix.nii.gz")
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.95
