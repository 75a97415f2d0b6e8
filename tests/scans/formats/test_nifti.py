from __future__ import annotations

import warnings

import nibabel as nib
import numpy as np
import pytest

from skedema.scans.errors import ScanError
from skedema.scans.formats.base import format_of

RNG = np.random.default_rng(0)
VOXELS = RNG.integers(0, 200, (12, 11, 10))
AFFINE = np.array([[-2.0, 0, 0.5, 5], [0.25, 3, 0, 6], [0, 0, 4, 7], [0, 0, 0, 1]])


def load(path):
    return format_of(str(path)).load(str(path), str(path))


def write(path, voxels=VOXELS, affine=AFFINE, kind=nib.Nifti1Image, order="<", **fields):
    """Write voxels with a header that says what the fields say, true or not."""
    image = kind(voxels, affine, kind.header_class(endianness=order))
    image.set_data_dtype(voxels.dtype)
    nib.save(image, path)
    if fields:
        data = bytearray(path.read_bytes())
        header = kind.header_class(bytes(data[: image.header.sizeof_hdr]), order, check=False)
        for name, value in fields.items():
            header[name] = value
        data[: image.header.sizeof_hdr] = header.binaryblock
        path.write_bytes(data)
    return path


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image, nib.Nifti1Pair, nib.Nifti2Pair])
@pytest.mark.parametrize("gz", ["", ".gz"])
def test_every_variant_of_the_format_is_read(tmp_path, order, kind, gz):
    pair = "Pair" in kind.__name__
    names = [f"a.img{gz}", f"a.hdr{gz}"] if pair else [f"a.nii{gz}"]
    write(tmp_path / names[0], VOXELS.astype("i2"), kind=kind, order=order)
    for name in names:
        scan = load(tmp_path / name)
        assert (scan.voxels == VOXELS).all()
        np.testing.assert_allclose(scan.affine, AFFINE, rtol=1e-6)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
@pytest.mark.parametrize(
    ("slope", "inter"),
    [(1, 0), (0, 7), (np.nan, np.nan), (1, -1024), (-2, 3), (0.37, -12.25), (1e-6, 1e6)],
)
def test_voxels_are_stored_times_slope_plus_intercept(tmp_path, order, dtype, slope, inter):
    voxels = VOXELS.astype(dtype) - (100 if dtype[0] != "u" else 0)
    path = write(tmp_path / "a.nii", voxels, order=order, scl_slope=slope, scl_inter=inter)
    found = load(path).voxels
    expected = nib.load(path).get_fdata(dtype=np.float64)
    as_stored = voxels.dtype.newbyteorder(order) == np.int16 and (expected == voxels).all()
    assert found.dtype == (np.int16 if as_stored else np.float32)
    assert found.flags.f_contiguous
    assert found.flags.writeable
    assert (found == expected.astype(np.float32)).all()


def test_the_voxels_may_begin_anywhere_behind_the_header(tmp_path):
    image = nib.Nifti1Image(VOXELS.astype("i2"), AFFINE)
    for text in (b"a", b"comment " * 99):
        image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", text))
    nib.save(image, tmp_path / "a.nii.gz")
    assert (load(tmp_path / "a.nii.gz").voxels == VOXELS).all()
    path = write(tmp_path / "b.nii", VOXELS.astype("i2"), vox_offset=359)  # not aligned
    path.write_bytes(path.read_bytes()[:352] + bytes(7) + path.read_bytes()[352:])
    assert (load(path).voxels == VOXELS).all()


def test_an_extension_that_runs_into_the_voxels_is_refused(tmp_path):
    image = nib.Nifti1Image(VOXELS.astype("i2"), AFFINE)
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"a"))
    nib.save(image, tmp_path / "a.nii")
    data = bytearray((tmp_path / "a.nii").read_bytes())
    for size in (64, 1, 2**30, 2**32 - 16):
        data[352:356] = size.to_bytes(4, "little")
        (tmp_path / "a.nii").write_bytes(data)
        with pytest.raises(ScanError, match=r"a header extension of .* runs into the voxels"):
            load(tmp_path / "a.nii")


def test_the_sform_counts_before_the_qform(tmp_path):
    other = np.diag([2.0, 3.0, 4.0, 1.0])
    path = tmp_path / "a.nii"
    for sform, qform, expected in [
        ((AFFINE, 2), (other, 0), AFFINE),
        ((AFFINE, 0), (other, 1), other),
        ((other, 1), (other, 1), other),
    ]:
        image = nib.Nifti1Image(VOXELS.astype("i2"), None)
        image.header.set_zooms(nib.affines.voxel_sizes(expected))
        image.header.set_qform(*qform)
        image.header.set_sform(*sform)
        image.header.set_zooms(nib.affines.voxel_sizes(expected))
        image = nib.Nifti1Image(VOXELS.astype("i2"), None, image.header)
        nib.save(image, path)
        np.testing.assert_allclose(load(path).affine, expected, rtol=1e-6)


def test_forms_in_conflict_are_told_with_the_distance(tmp_path):
    image = nib.Nifti1Image(VOXELS.astype("i2"), np.diag([2.0, 3, 4, 1]))
    moved = image.affine.copy()
    moved[:3, 3] = (3, 0, 4)
    for code, distance, shift in ((1, 5.0, moved), (1, 0.9, 0.18 * moved + 0.82 * image.affine)):
        image.set_qform(shift, code)
        nib.save(image, tmp_path / "a.nii")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert (load(tmp_path / "a.nii").affine == image.affine).all()
        messages = [str(warning.message) for warning in caught]
        if distance < 1:
            assert not messages
        else:
            assert len(messages) == 1
            assert f"are in conflict, by {distance} mm at a corner" in messages[0]
            assert messages[0].startswith(str(tmp_path / "a.nii"))


def test_a_pixdim_that_contradicts_the_sform_is_told(tmp_path):
    image = nib.Nifti1Image(VOXELS.astype("i2"), np.diag([2.0, 3, 4, 1]))
    path = write(tmp_path / "a.nii", affine=image.affine, pixdim=[1, 2, 3, 4.5, 0, 0, 0, 0])
    with pytest.warns(UserWarning, match="2 x 3 x 4 mm by the sform but 2 x 3 x 4.5 mm by the pix"):
        load(path)
    write(path, affine=image.affine, pixdim=[1, 2, 3, 4.1, 0, 0, 0, 0])  # 0.9 mm over ten slices
    assert (load(path).affine == image.affine).all()


def test_an_unusable_qform_beside_the_sform_is_told(tmp_path):
    path = write(tmp_path / "a.nii", qform_code=1, quatern_b=3)
    with pytest.warns(UserWarning, match="the sform is used; the qform beside it is not usable"):
        load(path)


def test_scanner_padding_stays_as_it_is(tmp_path):
    voxels = VOXELS.astype("i2")
    voxels[:3] = -3024
    assert load(write(tmp_path / "a.nii.gz", voxels)).voxels.min() == -3024


def test_a_pair_wants_both_its_files_and_one_of_each(tmp_path):
    write(tmp_path / "a.img", VOXELS.astype("i2"), kind=nib.Nifti1Pair)
    write(tmp_path / "a.img.gz", VOXELS.astype("i2"), kind=nib.Nifti1Pair)
    with pytest.raises(
        ScanError, match=r"there are both .*a\.img and .*a\.img\.gz; remove the wrong"
    ):
        load(tmp_path / "a.hdr")
    with pytest.raises(
        ScanError, match=r"there are both .*a\.hdr and .*a\.hdr\.gz; remove the wrong"
    ):
        load(tmp_path / "a.img")
    (tmp_path / "a.hdr").unlink()
    (tmp_path / "a.hdr.gz").unlink()
    with pytest.raises(ScanError, match=r"half of a pair, .*a\.hdr is missing; put it beside"):
        load(tmp_path / "a.img")
