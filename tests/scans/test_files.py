from __future__ import annotations

import gzip
import os
import pickle
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from skedema.scans.errors import ScanError
from skedema.scans.files import is_missing_scan, load_scan, looks_like_scan, scan_key, scan_name

VOXELS = np.arange(60, dtype=np.int16).reshape(3, 4, 5)


@pytest.mark.parametrize(
    "ending", ["nii", "nii.gz", "NII.GZ", "npy", "mha", "nrrd", "dcm", "img", "hdr", "MGZ"]
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
    hu, found = load_scan(kind(path))
    assert hu.dtype == np.float32
    assert (hu == VOXELS).all()
    np.testing.assert_array_equal(found, affine)


def test_slope_and_intercept_are_applied_as_the_file_says(write_scan):
    path = write_scan(VOXELS, slope=2.5, intercept=-1024)
    assert (np.asarray(nib.load(path).dataobj.get_unscaled()) == VOXELS).all()
    hu, _ = load_scan(path)
    np.testing.assert_allclose(hu, VOXELS * 2.5 - 1024, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["u1", "<i2", ">i2", "u2", "i4", "i8", "u8", "f2", "f4", ">f8"])
def test_npy_files_and_arrays_of_every_real_type_are_read(tmp_path, dtype):
    np.save(tmp_path / "scan.npy", VOXELS.astype(dtype))
    for cell in (tmp_path / "scan.npy", VOXELS.astype(dtype)):
        hu, affine = load_scan(cell)
        assert affine is None
        assert hu.dtype == np.float32
        assert (hu == VOXELS).all()


@pytest.mark.parametrize("image_class", [nib.Nifti1Image, nib.Nifti2Image, nib.MGHImage])
def test_nibabel_images_in_memory_are_read(image_class):
    affine = np.diag([1.0, 2.0, 3.0, 1.0])
    hu, found = load_scan(image_class(VOXELS, affine))
    assert (hu == VOXELS).all()
    np.testing.assert_allclose(found, affine)


def test_axes_of_length_one_at_the_end_are_dropped(write_scan):
    for cell in (VOXELS[..., None], VOXELS[..., None, None], write_scan(VOXELS[..., None])):
        assert load_scan(cell)[0].shape == (3, 4, 5)


@pytest.mark.parametrize(("unit", "factor"), [("meter", 1000), ("micron", 0.001), ("mm", 1)])
def test_the_unit_of_length_of_the_header_is_honoured(unit, factor):
    image = nib.Nifti1Image(VOXELS, np.diag([2.0, 3.0, 4.0, 1.0]))
    image.header.set_xyzt_units(unit)
    expected = np.diag([2.0, 3.0, 4.0, 1.0 / factor]) * factor
    np.testing.assert_allclose(load_scan(image)[1], expected)


def test_a_header_without_orientation_is_read_with_a_warning(write_scan):
    path = write_scan(VOXELS)
    image = nib.load(path)
    image.header["sform_code"] = image.header["qform_code"] = 0
    image = nib.Nifti1Image(VOXELS, None, image.header)
    nib.save(image, path)
    with pytest.warns(UserWarning, match="scan.nii.gz: the header states no orientation"):
        _, affine = load_scan(path)
    assert affine[0, 0] == -1


def with_affine(affine):
    image = nib.Nifti1Image(VOXELS, np.eye(4))
    image.affine[:] = affine
    return image


def truncated(path, data):
    path.write_bytes(data)
    return path


def bad_scans(folder):
    """Name, cell, what the message must say (a pattern)."""
    good = folder / "good.nii"
    nib.save(nib.Nifti1Image(VOXELS, np.eye(4)), good)
    plain = good.read_bytes()
    zipped = gzip.compress(plain)
    flipped = bytearray(zipped)
    flipped[len(flipped) // 2] ^= 0xFF
    size = bytearray(plain)
    size[42:48] = b"\xff\x7f" * 3  # 32767 voxels along each axis
    code = bytearray(plain)
    code[70:72] = b"\x99\x09"  # no such data type
    np.save(folder / "objects.npy", np.array([[[{"a": 1}]]], dtype=object), allow_pickle=True)
    np.save(folder / "short.npy", VOXELS)
    truncated(folder / "short.npy", (folder / "short.npy").read_bytes()[:-7])
    np.savez(folder / "archive", VOXELS)
    (folder / "archive.npz").rename(folder / "archive.npy")
    for name in ("a.mha", "a.dcm", "a.txt", "noending"):
        (folder / name).touch()
    rgb = np.zeros((2, 3, 4), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nan = VOXELS.astype(float)
    nan[1, 2, 3] = np.nan
    return {
        "missing file": (folder / "nothing.nii", r"nothing\.nii: there is no such file"),
        "relative missing file": ("nothing.nii.gz", r"correct the path \(looked in "),
        "folder": (folder, r"DICOM series are not read yet; convert it to NIfTI, e\.g\. with dcm"),
        "empty path": ("", "empty path; give the path of a scan, or None"),
        "blank path": ("  ", "empty path"),
        "NUL in path": ("a\0b.nii", "there is no such file"),
        "mha": (folder / "a.mha", r"a\.mha: \.mha files are not read; convert it to NIfTI"),
        "dcm": (folder / "a.dcm", r"\.dcm files are not read; convert it to NIfTI"),
        "txt": (folder / "a.txt", r"\.txt files are not read"),
        "no ending": (folder / "noending", "its name has no ending"),
        "empty nii": (truncated(folder / "e.nii", b""), r"e\.nii: cannot be read"),
        "short header": (truncated(folder / "h.nii", plain[:200]), r"h\.nii: cannot be read"),
        "short data": (truncated(folder / "d.nii", plain[:-9]), r"d\.nii: cannot be read"),
        "not a nii": (truncated(folder / "t.nii", b"hello" * 200), r"t\.nii: cannot be read"),
        "not gzip": (truncated(folder / "g.nii.gz", plain), r"g\.nii\.gz: cannot be read"),
        "short gzip": (truncated(folder / "s.nii.gz", zipped[:-20]), r"s\.nii\.gz: cannot be read"),
        "corrupt gzip": (truncated(folder / "c.nii.gz", flipped), r"c\.nii\.gz: cannot be read"),
        "endless axes": (truncated(folder / "x.nii", size), r"x\.nii: cannot be read"),
        "unknown type": (truncated(folder / "u.nii", code), r"u\.nii: cannot be read"),
        "objects": (folder / "objects.npy", r"cannot be read .*Object arrays.*numbers only"),
        "short npy": (folder / "short.npy", r"short\.npy: cannot be read"),
        "npz as npy": (folder / "archive.npy", r"archive\.npy: cannot be read"),
        "2-D": (VOXELS[0], r"array of shape \(4, 5\): has 2 dimensions"),
        "4-D": (np.zeros((3, 4, 5, 2)), r"has 4 dimensions \(3, 4, 5, 2\).*give one volume"),
        "4-D image": (nib.Nifti1Image(np.zeros((3, 4, 5, 2)), np.eye(4)), "slicer"),
        "leading one": (np.zeros((1, 3, 4, 5)), "has 4 dimensions"),
        "no voxels": (np.zeros((3, 0, 5)), r"has no voxels, its shape is \(3, 0, 5\)"),
        "RGB": (nib.Nifti1Image(rgb, np.eye(4)), "holds colours"),
        "complex": (VOXELS.astype(complex), "holds complex numbers"),
        "complex image": (nib.Nifti1Image(VOXELS.astype("c8"), np.eye(4)), "complex numbers"),
        "boolean": (VOXELS > 3, "holds true and false"),
        "text": (np.full((2, 2, 2), "a"), "holds <U1 values"),
        "object array": (VOXELS.astype(object), "holds object values"),
        "masked": (np.ma.masked_less(VOXELS, 3), r"fill it first, e\.g\. \.filled\(-1024\)"),
        "NaN": (nan, "1 voxels are NaN, infinite or too large for float32; set them to a number"),
        "infinite": (np.full((2, 2, 2), -np.inf), "8 voxels are NaN, infinite"),
        "too large": (np.full((2, 2, 2), 1e300), "8 voxels are NaN, infinite"),
        "NaN in image": (nib.Nifti1Image(nan, np.eye(4)), "1 voxels are NaN"),
        "singular affine": (with_affine(np.diag([1, 1, 0, 1])), "affine is not usable"),
        "parallel axes": (with_affine([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
                          r"affine is singular[\s\S]*correct the sform"),
        "NaN affine": (with_affine(np.full((4, 4), np.nan)), "affine is not usable"),
        "infinite affine": (with_affine(np.diag([1, 1, np.inf, 1])), "affine is not usable"),
        "no affine": (nib.Nifti1Image(VOXELS, None), "has no affine"),
        "number": (3.5, "float 3.5: not a scan; give a path, a nibabel image or a 3-D array"),
        "list": ([[[1]]], "list .*not a scan"),
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


def test_an_image_whose_file_was_cut_after_it_was_opened_is_a_scan_error(write_scan):
    path = write_scan(np.zeros((20, 20, 20)), name="scan.nii")
    image = nib.load(path, mmap=False)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ScanError, match=r"scan\.nii: cannot be read"):
        load_scan(image)


def test_a_pickle_is_never_opened(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "exploded",))

    (tmp_path / "bomb.npy").write_bytes(pickle.dumps(Bomb()))
    np.save(tmp_path / "object.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
    (tmp_path / "exploded").unlink(missing_ok=True)
    for name in ("bomb.npy", "object.npy"):
        with pytest.raises(ScanError, match=f"{name}: cannot be read"):
            load_scan(tmp_path / name)
    assert not (tmp_path / "exploded").exists()


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


def test_the_key_of_a_scan_in_memory_is_its_content(write_scan):
    affine = np.diag([1.0, 2.0, 3.0, 1.0])
    changed = VOXELS.copy()
    changed[0, 0, 0] += 1
    assert scan_key(VOXELS) == scan_key(np.asfortranarray(VOXELS)) == scan_key(VOXELS.copy())
    keys = {
        scan_key(cell)
        for cell in [
            VOXELS,
            changed,
            VOXELS.reshape(4, 3, 5),
            VOXELS.view(np.uint16),
            nib.Nifti1Image(VOXELS, affine),
            nib.Nifti1Image(changed, affine),
            nib.Nifti1Image(VOXELS, np.eye(4)),
            nib.load(write_scan(VOXELS)),
        ]
    }
    assert len(keys) == 8
    assert scan_key(nib.Nifti1Image(VOXELS, affine)) in keys


def test_what_is_no_scan_has_no_key(tmp_path):
    for cell in (None, np.nan, "", tmp_path, "nothing.nii", 3, [1], VOXELS.astype(object)):
        assert complaint(scan_key, cell) != "no error"
        assert "in place of" not in complaint(scan_key, cell)
