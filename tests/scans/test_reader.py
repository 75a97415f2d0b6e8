from __future__ import annotations

import pickle
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import check_is_fitted

from skedema.scans import ScanError, VolumeReader
from skedema.scans.grid import resample

SMALL = VolumeReader(shape=(8, 7, 6), spacing=3)


@pytest.fixture
def scans(tmp_path):
    """Five files of different size and geometry."""
    rng = np.random.default_rng(0)
    paths = []
    for k in range(5):
        image = nib.Nifti1Image(
            rng.integers(-100, 200, size=(10 + k, 9, 8)).astype(np.int16),
            np.diag([-2.0, 2.5, 3.0 + k, 1.0]),
        )
        paths.append(str(tmp_path / f"scan-{k}.nii.gz"))
        nib.save(image, paths[-1])
    return paths


def test_volumes_are_float32_on_the_grid_asked_for(scans):
    reader = VolumeReader(shape=(8, 7, 6), spacing=(1, 2, 3), windows=["brain", "bone", (5, 3)])
    volumes = reader.transform(scans)
    assert volumes.dtype == np.float32
    assert volumes.shape == (5, 3, 8, 7, 6)
    assert reader.n_channels == 3
    assert volumes.min() == 0
    assert volumes.max() == 1
    for path, volume in zip(scans, volumes, strict=True):
        assert (reader.read(path) == volume).all()


def test_one_number_stands_for_three_axes(scans):
    one = VolumeReader(shape=6, spacing=3.0).transform(scans)
    three = VolumeReader(shape=(6, 6, 6), spacing=[3, 3.0, np.float32(3)]).transform(scans)
    assert (one == three).all()


def test_each_window_is_a_channel(scans):
    windows = ["brain", "stroke", (200, 80)]
    together = VolumeReader(shape=6, windows=windows, spacing=3).transform(scans)
    clipped = []
    for path in scans:
        image = nib.load(path)
        hu = np.clip(np.asarray(image.dataobj, dtype=np.float32), -20, 180)  # the widest window
        clipped.append(resample(hu, image.affine, (3, 3, 3), (6, 6, 6), -20))
    for channel, (lower, width) in enumerate([(0, 80), (20, 40), (-20, 200)]):
        expected = np.clip((np.array(clipped) - lower) / width, 0, 1)
        np.testing.assert_allclose(together[:, channel], expected, atol=1e-5)


def test_bone_and_air_do_not_bleed_into_the_brain():
    head = np.full((40, 8, 8), 40.0)
    head[:18] = -1000
    head[18:20] = 1500
    edge = VolumeReader(shape=(10, 8, 8), windows="brain").read(head)[0, :, 0, 0]
    np.testing.assert_allclose(edge[-4:], 0.5, atol=1e-6)
    assert edge[5] < 0.6  # unclipped, skull at 1500 HU would make it 1
    assert edge[3] == 0


def test_padding_is_air():
    reader = VolumeReader(shape=4, windows=(4000, 0))
    assert reader.read(np.full((4, 4, 4), -3024.0)).max() == pytest.approx((2000 - 1024) / 4000)


def test_outside_the_field_of_view_is_air():
    image = nib.Nifti1Image(np.full((4, 4, 4), 40, np.int16), np.eye(4))
    for windows, fill in [(None, -1024), ("brain", 0), ((4096, 0), 0.25)]:
        volume = VolumeReader(shape=8, spacing=1, windows=windows).read(image)
        assert volume[0, 0, 0, 0] == fill
        assert (volume[0] == fill).sum() == 8**3 - 4**3


def test_arrays_on_the_grid_are_not_resampled():
    voxels = np.random.default_rng(0).normal(40, 30, size=(2, 8, 7, 6)).astype(np.float32)
    raw = VolumeReader(shape=(8, 7, 6), windows=None)
    assert (raw.transform(voxels)[:, 0] == voxels).all()
    assert (raw.transform(list(voxels))[:, 0] == voxels).all()
    assert not np.shares_memory(raw.read(voxels[0]), voxels)


def test_arrays_of_another_shape_are_stretched():
    voxels = np.repeat(np.arange(4.0), 2)[:, None, None] * np.ones((8, 4, 2))
    volume = VolumeReader(shape=(4, 4, 4), windows=None, spacing=7).read(voxels)[0]
    assert (volume == volume[:, :1, :1]).all()
    assert (np.diff(volume[:, 0, 0]) > 0).all()


def test_no_spacing_keeps_the_field_of_view(scans):
    reader = VolumeReader(shape=(5, 9, 16), spacing=None, windows=None)
    image = nib.load(scans[0])
    flipped = np.asarray(image.dataobj)[::-1]
    np.testing.assert_allclose(reader.read(image), reader.read(flipped), atol=1e-4)


def test_files_images_and_npy_give_the_same_volume(scans, tmp_path):
    image = nib.load(scans[0])
    np.save(tmp_path / "scan.npy", np.asarray(image.dataobj)[::-1])
    stretched = clone(SMALL).set_params(spacing=None)
    volumes = stretched.transform([scans[0], image, Path(scans[0]), str(tmp_path / "scan.npy")])
    assert (volumes[:3] == volumes[0]).all()
    np.testing.assert_allclose(volumes[3], volumes[0], atol=1e-5)


def test_every_container_of_scans(scans):
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    expected = SMALL.transform(scans)
    cells = np.array(scans, dtype=object)
    for container in [
        tuple(scans),
        np.array(scans),
        cells,
        cells[:, None],
        pandas.Series(scans, index=[3, 1, 2, 9, 9]),
        pandas.Series(scans, dtype="category"),
        pandas.DataFrame({"scan": scans}),
        polars.Series(scans),
        polars.DataFrame({"scan": scans}),
        iter(scans),
    ]:
        assert (SMALL.transform(container) == expected).all()
    images = [nib.load(path) for path in scans]
    for container in [images, pandas.Series(images), pandas.DataFrame({"scan": images})]:
        assert (SMALL.transform(container) == expected).all()
    assert SMALL.transform([]).shape == (0, 1, 8, 7, 6)


@pytest.mark.parametrize(
    ("scans", "message"),
    [
        ("scan.nii", r"one scan in place of a sequence of scans; use read\(scan\)"),
        (Path("scan.nii"), "one scan in place of a sequence"),
        (nib.Nifti1Image(np.zeros((2, 2, 2)), np.eye(4)), "one scan in place of a sequence"),
        (np.zeros((2, 2, 2)), "one volume of shape"),
        (np.zeros((4, 2)), "is not a column of scans"),
        (np.zeros((1, 1, 2, 2, 2)), "is not a column of scans"),
        (None, "NoneType is not a sequence of scans"),
        ({"scan": "a.nii"}, "dict is not a sequence of scans"),
    ],
    ids=["path", "Path", "image", "volume", "matrix", "5-D", "None", "dict"],
)
def test_what_is_no_column_of_scans_is_refused(scans, message):
    with pytest.raises(TypeError, match=message):
        SMALL.transform(scans)


def test_a_table_of_two_columns_is_refused():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(TypeError, match="a table of 2 columns; give the column of scans alone"):
        SMALL.transform(pandas.DataFrame({"a": ["x.nii"], "b": [1]}))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (None, r"^row 3: the scan is missing"),
        (np.nan, r"^row 3: the scan is missing"),
        ("gone.nii", r"^row 3: gone\.nii: there is no such file"),
        (np.zeros((2, 2)), r"^row 3: array of shape \(2, 2\): has 2 dimensions"),
    ],
    ids=str,
)
def test_errors_name_the_row_and_the_scan(scans, bad, message):
    with pytest.raises(ScanError, match=message):
        SMALL.transform([*scans[:3], bad, scans[4]])


def test_errors_come_back_from_other_processes(scans):
    reader = clone(SMALL).set_params(n_jobs=2)
    with pytest.raises(ScanError, match=r"^row 2: gone\.nii: there is no such file"):
        reader.transform([*scans[:2], "gone.nii", *scans])


def test_several_processes_give_the_same_volumes(scans):
    assert (clone(SMALL).set_params(n_jobs=2).transform(scans) == SMALL.transform(scans)).all()


def test_progress_goes_to_standard_error_when_asked_for(scans, capsys):
    SMALL.transform(scans)
    assert capsys.readouterr() == ("", "")
    clone(SMALL).set_params(verbose=1).transform(scans)
    out, err = capsys.readouterr()
    assert out == ""
    assert "reading scans" in err
    assert "5/5" in err
    assert err.startswith("RAS grid of 8 x 7 x 6 voxels of 3 mm (24 x 21 x 18 mm)")


@pytest.mark.parametrize(
    ("parameters", "summary"),
    [
        (
            {},
            "RAS grid of 96 x 96 x 96 voxels of 2.25 mm (216 x 216 x 216 mm), "
            "windows brain (0 to 80 HU)",
        ),
        (
            {"spacing": (0.4883, 1, 5), "shape": (512, 64, 30), "windows": ["bone", (100, 40)]},
            "RAS grid of 512 x 64 x 30 voxels of 0.4883 x 1 x 5 mm (250 x 64 x 150 mm), "
            "windows bone (-400 to 1600 HU), -10 to 90 HU",
        ),
        (
            {"spacing": None, "shape": 8, "windows": None},
            "RAS grid of 8 x 8 x 8 voxels over each scan's field of view, intensities as they are",
        ),
    ],
    ids=["default", "all", "none"],
)
def test_the_summary_says_in_one_line_what_reading_does(parameters, summary):
    assert VolumeReader(**parameters).summary() == summary


def test_it_is_a_stateless_scikit_learn_transformer(scans):
    reader = VolumeReader(shape=[4, 4, 4], windows=["brain", "bone"], n_jobs=1)
    assert not reader.__sklearn_tags__().requires_fit
    check_is_fitted(reader)
    assert clone(reader).get_params() == reader.get_params()
    assert repr(VolumeReader(shape=4)) == "VolumeReader(shape=4)"
    before = vars(reader).copy()
    fitted = pickle.loads(pickle.dumps(reader.fit(None)))
    assert vars(reader) == before
    assert (fitted.transform(scans) == reader.fit_transform(scans)).all()
    flatten = FunctionTransformer(lambda volumes: volumes.reshape(len(volumes), -1))
    assert make_pipeline(reader, flatten).fit_transform(scans).shape == (5, 128)


@pytest.mark.slow
def test_real_exams_are_read_to_finite_volumes_between_0_and_1(real_data):
    paths = sorted((real_data / "ct_ich" / "scans").glob("*.nii.gz"))
    reader = VolumeReader()
    for path in paths:
        volume = reader.read(path)
        assert volume.shape == (1, 96, 96, 96)
        assert np.isfinite(volume).all()
        assert volume.min() >= 0
        assert volume.max() <= 1
        assert 0.05 < volume.mean() < 0.5, path
    assert len(paths) == 82


@pytest.mark.slow
def test_a_real_oblique_exam_lies_where_plain_interpolation_puts_it(real_data):
    ndimage = pytest.importorskip("scipy.ndimage")
    image = nib.load(real_data / "ge_tilt_dcm2niix.nii.gz")
    found = VolumeReader(shape=64, spacing=3, windows=(1200, 0)).read(image)[0]
    hu = np.clip(np.asarray(image.dataobj, dtype=np.float32), -600, 600)
    hu = ndimage.gaussian_filter(hu, (3.2, 3.2, 0.7), mode="nearest")  # about as smooth as ours
    middle = (image.affine @ [*(np.array(hu.shape) - 1) / 2, 1])[:3, None, None, None]
    mm = middle + (np.indices((64, 64, 64)) - 31.5) * 3
    to_index = np.linalg.inv(image.affine)

    def distance(shift):
        index = np.tensordot(to_index[:3, :3], mm + np.reshape(shift, (3, 1, 1, 1)), 1)
        index += to_index[:3, 3, None, None, None]
        inside = [(i > 2) & (i < n - 3) for i, n in zip(index, hu.shape, strict=True)]
        plain = ndimage.map_coordinates(hu, index, order=1, mode="nearest") / 1200 + 0.5
        return np.sqrt(((plain - found)[np.logical_and.reduce(inside)] ** 2).mean())

    here = distance((0, 0, 0))
    assert here < 0.02
    for axis in np.eye(3):
        before, after = distance(-0.5 * axis), distance(0.5 * axis)
        assert min(before, after) > here
        # The vertex of the parabola through the three is the shift between both, in mm.
        assert abs(0.25 * (before - after) / (before + after - 2 * here)) < 0.03


@pytest.fixture
def head(tmp_path):
    """A head of 140 mm, off the centre of its field of view: brain 35 HU, skull 900, air."""
    place = np.mgrid[0:60, 0:60, 0:50] * 4.0 - np.array([100.0, 130.0, 110.0]).reshape(3, 1, 1, 1)
    radius = np.linalg.norm(place, axis=0)
    hu = np.where(radius < 62, 35, np.where(radius < 72, 900, -1000)).astype(np.int16)
    path = tmp_path / "head.nii.gz"
    nib.save(nib.Nifti1Image(hu, np.diag([4.0, 4.0, 4.0, 1.0])), path)
    return path


def test_cropping_centres_the_grid_on_the_head(head):
    settings = {"spacing": 4.0, "shape": 48, "windows": None}
    inside = VolumeReader(**settings, head_margin=8).read(head)[0] > 0
    assert np.flatnonzero(inside.any(axis=(1, 2))).mean() == pytest.approx(23.5, abs=0.6)
    whole = VolumeReader(**settings).read(head)[0] > 0
    assert np.flatnonzero(whole.any(axis=(1, 2))).mean() < 20


def test_skull_stripping_leaves_the_brain(head):
    volume = VolumeReader(spacing=4.0, shape=48, windows=None, skull_strip=True).read(head)
    assert volume.max() == pytest.approx(35, abs=0.01)
    assert volume.min() == -1024
    litres = (volume > 0).sum() * 4.0**3 / 1e6
    assert litres == pytest.approx(4 / 3 * np.pi * 0.62**3, rel=0.05)


def test_what_is_cut_away_decides_the_volume_and_is_said(head):
    readers = [VolumeReader(), VolumeReader(head_margin=5), VolumeReader(skull_strip=True)]
    assert len({reader.settings() for reader in readers}) == 3
    assert (
        VolumeReader(head_margin=2.5, skull_strip=True)
        .summary()
        .startswith("cropped to the head and 2.5 mm around it, brain only, RAS grid")
    )


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"head_margin": 5}, "cannot be cropped"),
        ({"skull_strip": True}, "brain cannot be found"),
    ],
)
def test_an_array_cannot_be_cut_in_mm(parameters, message):
    with pytest.raises(ScanError, match=rf"^array of shape \(9, 9, 9\): .*{message}"):
        VolumeReader(**parameters).read(np.full((9, 9, 9), 35.0))
