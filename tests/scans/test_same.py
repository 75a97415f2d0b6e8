from __future__ import annotations

import os
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from skedema.scans._remote.scan import at_address
from skedema.scans._same import same_scans


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    for k in range(3):
        image = nib.Nifti1Image(rng.integers(0, 80, (8, 8, 8), dtype=np.int16), np.eye(4))
        nib.save(image, tmp_path / f"{k}.nii")
    return [str(tmp_path / f"{k}.nii") for k in range(3)]


def test_other_scans_are_other_scans(files):
    assert same_scans([*files, None, np.nan]) == []


def test_one_file_has_many_paths(files, tmp_path, monkeypatch):
    link, hard, copy = (tmp_path / name for name in ("link.nii", "hard.nii", "copy.nii"))
    link.symlink_to(files[0])
    os.link(files[0], hard)
    shutil.copy(files[0], copy)
    monkeypatch.chdir(tmp_path)
    dotted = files[0].replace("/0.nii", "/./0.nii")
    for other in (dotted, "0.nii", str(link), str(hard), str(copy), Path(files[0])):
        assert same_scans([files[1], files[0], files[2], other]) == [[1, 3]]


def test_folders_are_the_same_where_their_files_are(files, tmp_path):
    for name, kept in (("a", files[:2]), ("b", files[:2]), ("c", files[1:])):
        (tmp_path / name).mkdir()
        for file in kept:
            shutil.copy(file, tmp_path / name)
    assert same_scans([tmp_path / "a", tmp_path / "c", tmp_path / "b"]) == [[0, 2]]


def test_equal_headers_are_not_equal_scans(tmp_path):
    for name in ("a.mhd", "b.mhd"):
        (tmp_path / name).write_text("ElementDataFile = voxels.raw")
    assert same_scans([str(tmp_path / "a.mhd"), str(tmp_path / "b.mhd")]) == []


def test_copies_of_a_pair_are_the_same_scan_and_other_voxels_make_another(files, tmp_path):
    image = nib.load(files[0])
    voxels = np.asarray(image.dataobj)
    for name, change in (("a", 0), ("b", 0), ("c", 1)):
        nib.save(nib.Nifti1Pair(voxels + change, image.affine), tmp_path / f"{name}.img")
    assert same_scans([str(tmp_path / f"{name}.hdr") for name in "acb"]) == [[0, 2]]


def test_scans_in_memory_are_compared_by_their_voxels(files):
    image = nib.load(files[0])
    voxels = np.asarray(image.dataobj, dtype=np.float32)
    assert same_scans([voxels, voxels + 1, voxels.copy()]) == [[0, 2]]
    assert same_scans([image, nib.load(files[1]), nib.load(files[0])]) == [[0, 2]]


def test_what_is_not_there_is_compared_by_its_path():
    assert same_scans(["no/a.nii", "no/./a.nii", "no/b.nii", "no\0"]) == [[0, 1]]


def test_addresses_are_compared_by_what_lies_there_and_nobody_is_asked(tmp_path):
    first, again = (f"https://host/a.nii.gz?X-Amz-Signature={each}" for each in "ab")
    cells = ["https://host/b.nii.gz", first, "s3://exams/series/", again]
    assert same_scans(cells) == [[1, 3]]
    assert same_scans([at_address(each, tmp_path) for each in cells]) == [[1, 3]]
