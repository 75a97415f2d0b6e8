from __future__ import annotations

import os
import pickle
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from skedema.scans import formats
from skedema.scans.errors import ScanError
from skedema.scans.files import is_missing_scan, load_scan, looks_like_scan, scan_key, scan_name

VOXELS = np.arange(60, dtype=np.int16).reshape(3, 4, 5)


@pytest.mark.parametrize(
    "ending",
    [
        *("nii", "nii.gz", "NII.GZ", "npy", "mha", "mhd", "nrrd", "dcm", "zip"),
        "img",
        "hdr",
        "img.gz",
        "MGZ",
    ],
)
def test_a_path_of_a_scan_looks_like_one(ending):
    assert looks_like_scan(f"a/sub-01.{ending}")
    assert looks_like_scan(Path(f"sub-01.{ending}"))
    assert looks_like_scan(np.str_(f"sub-01.{ending} "))


def test_scans_in_memory_look_like_scans():
    assert looks_like_scan(VOXELS)
    assert looks_like_scan(np.zeros((2, 3, 4, 1)))
    assert looks_like_scan(nib.Nifti1Image(VOXELS, np.eye(4)))


def test_a_folder_of_files_looks_like_a_scan_but_an_empty_one_does_not(tmp_path, monkeypatch):
    (tmp_path / "left").mkdir()
    assert not looks_like_scan(str(tmp_path / "left"))
    (tmp_path / "left" / "IM001").touch()
    assert looks_like_scan(str(tmp_path / "left"))
    monkeypatch.chdir(tmp_path)
    assert looks_like_scan(Path("left"))
    assert looks_like_scan("./left")
    assert not looks_like_scan("left")  # may be a category


@pytest.mark.parametrize(
    "value",
    [
        *("", "male", "<0.5", "n/a", "npy", "x\0y/z", "a" * 5000, "nii.gz report", b"a.nii"),
        *(None, np.nan, 3, True, np.zeros(3), np.zeros((3, 3)), ["a.nii"], {"a.nii": 1}),
    ],
    ids=lambda value: repr(value)[:12],
)
def test_other_values_do_not_look_like_scans(value):
    assert not looks_like_scan(value)


def test_every_spelling_of_missing():
    pandas = pytest.importorskip("pandas")
    for cell in (None, float("nan"), np.nan, np.float32("nan"), pandas.NA, pandas.NaT):
        assert is_missing_scan(cell)
        with pytest.raises(ScanError, match="the scan is missing"):
            load_scan(cell)
    for cell in ("", "a.nii", 0.0, VOXELS, False):
        assert not is_missing_scan(cell)


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz", "SCAN.NII", "SCAN.NII.GZ"])
@pytest.mark.parametrize("kind", [str, Path, np.str_])
def test_a_nifti_file_gives_voxels_and_affine(write_scan, name, kind):
    affine = np.array([[-2.0, 0, 0, 5], [0, 0, 3, 6], [0, 4, 0, 7], [0, 0, 0, 1]])
    path = write_scan(VOXELS, affine, name=name.lower())
    path = path.rename(path.with_name(name))
    hu, found, _ = load_scan(kind(path))
    assert hu.dtype == np.int16
    assert (hu == VOXELS).all()
    np.testing.assert_array_equal(found, affine)


def test_slope_and_intercept_are_applied_as_the_file_says(write_scan):
    path = write_scan(VOXELS, slope=2.5, intercept=-1024)
    assert (np.asarray(nib.load(path).dataobj.get_unscaled()) == VOXELS).all()
    hu, _, _ = load_scan(path)
    np.testing.assert_allclose(hu, VOXELS * 2.5 - 1024, rtol=1e-6)


def test_axes_of_length_one_at_the_end_are_dropped(write_scan):
    for cell in (VOXELS[..., None], VOXELS[..., None, None], write_scan(VOXELS[..., None])):
        assert load_scan(cell)[0].shape == (3, 4, 5)


def test_a_header_without_orientation_is_read_with_a_warning(write_scan):
    path = write_scan(VOXELS)
    image = nib.load(path)
    image.header["sform_code"] = image.header["qform_code"] = 0
    image = nib.Nifti1Image(VOXELS, None, image.header)
    nib.save(image, path)
    with pytest.warns(UserWarning, match="scan.nii.gz: the header states no orientation"):
        _, affine, _ = load_scan(path)
    assert affine[0, 0] == -1


def with_affine(affine):
    image = nib.Nifti1Image(VOXELS, np.eye(4))
    image.affine[:] = affine
    return image


def bad_scans(folder):
    """Name, cell, what the message must say (a pattern); broken files are in test_hostile_files."""
    for name in ("a.txt", "noending", "a.npz", "a.pkl"):
        (folder / name).touch()
    rgb = np.zeros((2, 3, 4), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nan = VOXELS.astype(float)
    nan[1, 2, 3] = np.nan
    return {
        "missing file": (folder / "nothing.nii", r"nothing\.nii: there is no such file"),
        "relative missing file": ("nothing.nii.gz", r"correct the path \(looked in "),
        "empty path": ("", "empty path; give the path of a scan, or None"),
        "blank path": ("  ", "empty path"),
        "txt": (folder / "a.txt", r"\.txt files are not read; convert it to NIfTI"),
        "npz": (folder / "a.npz", r"\.npz files are never opened; save the array with numpy.save"),
        "pickle": (folder / "a.pkl", r"\.pkl files are never opened"),
        "no ending": (folder / "noending", "its name has no ending"),
        "2-D": (VOXELS[0], r"array of shape \(4, 5\): has 2 dimensions"),
        "4-D": (np.zeros((3, 4, 5, 2)), r"has 4 dimensions \(3, 4, 5, 2\).*give one volume"),
        "4-D image": (nib.Nifti1Image(np.zeros((3, 4, 5, 2)), np.eye(4)), "slicer"),
        "leading one": (np.zeros((1, 3, 4, 5)), "has 4 dimensions"),
        "no voxels": (np.zeros((3, 0, 5)), r"has no voxels, its shape is \(3, 0, 5\)"),
        "too many voxels": (
            np.broadcast_to(np.int8(0), (1025, 1024, 1024)), "voxels.*at most 2,147,483,648"
        ),
        "RGB": (nib.Nifti1Image(rgb, np.eye(4)), "holds colours"),
        "complex": (VOXELS.astype(complex), "holds complex numbers"),
        "complex image": (nib.Nifti1Image(VOXELS.astype("c8"), np.eye(4)), "complex numbers"),
        "boolean": (VOXELS > 3, "holds true and false"),
        "text": (np.full((2, 2, 2), "a"), "holds <U1 values"),
        "object array": (VOXELS.astype(object), "holds Python objects"),
        "masked": (np.ma.masked_less(VOXELS, 3), r"fill it first, e\.g\. \.filled\(-1024\)"),
        "NaN": (nan, "1 voxels are NaN, infinite or too large for float32; set them to a number"),
        "infinite": (np.full((2, 2, 2), -np.inf), "8 voxels are NaN, infinite"),
        "too large": (np.full((2, 2, 2), 1e300), "8 voxels are NaN, infinite"),
        "NaN in image": (nib.Nifti1Image(nan, np.eye(4)), "1 voxels are NaN"),
        "singular affine": (with_affine(np.diag([1, 1, 0, 1])), "affine is not usable"),
        "parallel axes": (with_affine([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
                          r"affine is singular[\s\S]*correct the sform"),
        "sheared": (with_affine([[1, 3, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
                    "72 degrees from right angles, no gantry tilts beyond 30"),
        "far away": (with_affine([[1, 0, 0, 2e5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
                     "more than 100 m from the origin"),
        "projection": (with_affine(np.diag([1, 1, 1, 2])), "affine is not usable"),
        "metres": (with_affine(np.diag([0.002, 0.002, 0.005, 1])),
                   r"voxels are 0\.002 mm apart.*check the unit in xyzt_units"),
        "NaN affine": (with_affine(np.full((4, 4), np.nan)), "affine is not usable"),
        "infinite affine": (with_affine(np.diag([1, 1, np.inf, 1])), "affine is not usable"),
        "no affine": (nib.Nifti1Image(VOXELS, None), "has no affine"),
        "number": (3.5, "float 3.5: not a scan; give a path, a nibabel image or a 3-D array"),
        "list": ([[[1]]], "list .*not a scan"),
        "empty list": ([], "list .*not a scan"),
        "bytes": (b"a.nii", "bytes .*not a scan"),
    }  # fmt: skip


def complaint(read, cell):
    try:
        read(cell)
    except ScanError as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__} in place of a ScanError: {error}"
    return "no error"


def test_what_cannot_be_read_is_a_scan_error_that_names_file_fault_and_remedy(tmp_path):
    complaints = {
        case: (complaint(load_scan, cell), pattern)
        for case, (cell, pattern) in bad_scans(tmp_path).items()
    }
    wrong = {k: v for k, v in complaints.items() if not re.search(v[1], v[0])}
    assert not wrong


def test_every_scan_error_of_a_file_begins_with_its_path(tmp_path):
    for cell, _ in bad_scans(tmp_path).values():
        if isinstance(cell, Path):
            assert complaint(load_scan, cell).startswith(f"{cell}: ")


def test_scan_errors_survive_pickling():
    error = pickle.loads(pickle.dumps(ScanError("a: b; c")))
    assert isinstance(error, ValueError)
    assert str(error) == "a: b; c"


def test_scans_have_names(write_scan):
    path = write_scan(VOXELS)
    assert scan_name(str(path)) == scan_name(path) == scan_name(nib.load(path)) == str(path)
    assert scan_name(VOXELS) == "array of shape (3, 4, 5)"
    image = nib.Nifti1Image(VOXELS, np.eye(4))
    assert scan_name(image) == "nibabel image of shape (3, 4, 5)"
    assert scan_name(None) == "NoneType None"


def test_the_key_of_a_file_changes_when_it_is_written_anew(write_scan, monkeypatch):
    path = write_scan(VOXELS)
    key = scan_key(path)
    assert key == scan_key(str(path)) == scan_key(path)
    monkeypatch.chdir(path.parent)
    assert scan_key(path.name) == key
    os.utime(path, ns=(1, 1))
    assert scan_key(path) != key


def test_what_is_no_scan_has_no_key():
    for cell in (None, np.nan, "", "nothing.nii", 3, [1], VOXELS.astype(object)):
        assert complaint(scan_key, cell) != "no error"
        assert "in place of" not in complaint(scan_key, cell)


@pytest.fixture
def dicom(monkeypatch):
    """Put something that says what it was asked for in place of the reader of DICOM."""
    monkeypatch.setattr(formats.dicom, "load_dicom", lambda cell, name, *_: ("scan", cell, name))
    monkeypatch.setattr(formats.dicom, "dicom_key", lambda cell, name: ("dicom", str(cell), name))


@pytest.mark.usefixtures("dicom")
def test_folders_archives_and_lists_are_read_as_dicom(tmp_path):
    files = [tmp_path / "IM1", str(tmp_path / "IM2.dcm")]
    archive = tmp_path / "Series.ZIP"
    archive.touch()
    Path(files[1]).touch()
    for cell in (str(tmp_path), tmp_path, archive, files[1]):
        assert load_scan(cell) == ("scan", str(cell), str(cell))
        assert scan_key(cell) == ("dicom", str(cell), str(cell))
    for cell in (files, tuple(files)):
        assert load_scan(cell) == ("scan", cell, f"{files[0]} and 1 more")
        assert scan_key(cell)[0] == "dicom"
    assert scan_name(files[:1]) == str(files[0])


def test_a_list_of_files_looks_like_a_scan():
    assert looks_like_scan([Path("IM1"), "series/IM2", "IM3.DCM"])
    assert looks_like_scan(("series/IM1",))
    for cell in ([], ["IM1"], ["a/b", 3], ["male", "female"], [["a/b"]]):
        assert not looks_like_scan(cell)


def test_the_key_of_a_pair_is_that_of_both_files(tmp_path):
    nib.save(nib.Nifti1Pair(VOXELS, np.eye(4)), tmp_path / "pair.hdr")
    keys = [scan_key(tmp_path / "pair.hdr"), scan_key(tmp_path / "pair.img")]
    assert keys[0] == keys[1]
    for ending in ("hdr", "img"):
        os.utime(tmp_path / f"pair.{ending}", ns=(1, 1))
        keys.append(scan_key(tmp_path / "pair.hdr"))
    assert len(set(keys)) == 3
