from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from skedema.scans.errors import ScanError
from skedema.scans.files import load_scan

VOXELS = np.arange(60, dtype=np.int16).reshape(3, 4, 5)


@pytest.mark.parametrize("image_class", [nib.Nifti1Image, nib.Nifti2Image, nib.MGHImage])
def test_nibabel_images_in_memory_are_read(image_class):
    affine = np.diag([1.0, 2.0, 3.0, 1.0])
    hu, found, _ = load_scan(image_class(VOXELS, affine))
    assert (hu == VOXELS).all()
    np.testing.assert_allclose(found, affine)


@pytest.mark.parametrize(("unit", "factor"), [("meter", 1000), ("micron", 0.001), ("mm", 1)])
def test_the_unit_of_length_of_the_header_is_honoured(unit, factor):
    mm = np.diag([2.0, 3.0, 4.0, 1.0])
    image = nib.Nifti1Image(VOXELS, np.diag([2.0, 3.0, 4.0, factor]) / factor)
    image.header.set_xyzt_units(unit)
    np.testing.assert_allclose(load_scan(image)[1], mm)


def test_an_image_whose_file_was_cut_after_it_was_opened_is_a_scan_error(write_scan):
    path = write_scan(np.arange(8000.0).reshape(20, 20, 20), name="scan.nii")
    image = nib.load(path, mmap=False)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ScanError, match=r"scan\.nii: cannot be read"):
        load_scan(image)


def test_an_image_that_is_still_in_its_file_is_verified_like_the_file(write_scan):
    path = write_scan(VOXELS, slope=2, intercept=-10)
    image = nib.load(path)
    scan = load_scan(image)
    assert (scan.voxels == VOXELS * 2 - 10).all()
    data = bytearray(path.read_bytes())
    data[-5] ^= 1  # the checksum; nibabel does not look at it
    path.write_bytes(data)
    assert (np.asarray(image.dataobj) == scan.voxels).all()
    with pytest.raises(ScanError, match="are damaged"):
        load_scan(image)
    write_scan(VOXELS.astype(np.int32))
    with pytest.raises(ScanError, match=r"not what it was .*; open it again"):
        load_scan(image)


def test_a_changed_affine_of_an_opened_image_is_kept(write_scan):
    image = nib.load(write_scan(VOXELS))
    image.affine[0, 3] = 7
    assert load_scan(image).affine[0, 3] == 7


def test_mgz_files_are_read_and_verified(tmp_path):
    path = tmp_path / "scan.mgz"
    affine = np.array([[-2.0, 0, 0, 5], [0, 0, 3, 6], [0, -4, 0, 7], [0, 0, 0, 1]])
    for dtype in ("u1", "i2", "i4", "f4"):
        nib.save(nib.MGHImage(VOXELS.astype(dtype), affine), path)
        scan = load_scan(path)
        assert (scan.voxels == VOXELS).all()
        np.testing.assert_allclose(scan.affine, affine)
