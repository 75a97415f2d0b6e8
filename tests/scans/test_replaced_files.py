"""Files that took the place of others: same path, size and time, other voxels."""

from __future__ import annotations

import os
import shutil
import sys

import nibabel as nib
import numpy as np
import pytest
from joblib import Memory

from skedema import VolumeReader
from skedema.scans import files
from skedema.scans.cache import VolumeCache
from skedema.scans.files import scan_key

READER = VolumeReader(shape=4, spacing=None, windows=None)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="files have no times of change")


def write_npy(path, value):
    np.save(path.with_suffix(".npy"), np.full((4, 4, 4), value, np.float32))
    return path.with_suffix(".npy")


def write_pair(path, value):
    voxels = np.full((4, 4, 4), value, np.float32)
    nib.save(nib.Nifti1Pair(voxels, np.eye(4)), path.with_suffix(".img"))
    return path.with_suffix(".hdr")


def write_series(path, value):
    pydicom = pytest.importorskip("pydicom")
    path.mkdir(exist_ok=True)
    for k in range(4):
        ds = pydicom.Dataset()
        ds.file_meta = pydicom.dataset.FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = pydicom.uid.CTImageStorage
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = f"1.2.3.{k + 1}"
        ds.Modality, ds.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.SeriesInstanceUID, ds.FrameOfReferenceUID, ds.InstanceNumber = "1.2.3", "1.2.9", k + 1
        ds.ImagePositionPatient, ds.ImageOrientationPatient = [0, 0, k], [1, 0, 0, 0, 1, 0]
        ds.PixelSpacing, ds.RescaleSlope, ds.RescaleIntercept = [1, 1], 1, 0
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.Rows = ds.Columns = 4
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
        ds.PixelData = np.full((4, 4), value + k, "<i2").tobytes()
        ds.save_as(path / f"{k}.dcm", enforce_file_format=True)
    return path


KINDS = [write_npy, write_pair, write_series]


def files_of(cell):
    if cell.is_dir():
        return sorted(cell.iterdir())
    return [cell.with_suffix(".hdr"), cell.with_suffix(".img")] if cell.suffix == ".hdr" else [cell]


def take_times(cell, of):
    for mine, theirs in zip(files_of(cell), files_of(of), strict=True):
        status = theirs.stat()
        os.utime(mine, ns=(status.st_atime_ns, status.st_mtime_ns))


def in_place(old, new):
    """Written into the same files."""
    before = [(path.stat().st_size, path.stat().st_mtime_ns) for path in files_of(old)]
    for mine, theirs in zip(files_of(old), files_of(new), strict=True):
        mine.write_bytes(theirs.read_bytes())
    for path, (size, written) in zip(files_of(old), before, strict=True):
        os.utime(path, ns=(written, written))
        assert path.stat().st_size == size


def copied(old, new):
    """As ``rsync -t`` and ``cp -p`` do, which keep the time of writing."""
    take_times(new, old)
    for mine, theirs in zip(files_of(old), files_of(new), strict=True):
        mine.unlink()
        shutil.copy2(theirs, mine)


def moved(old, new):
    """Renamed into place, the folder as a whole."""
    take_times(new, old)
    if old.is_dir():
        shutil.rmtree(old)
        new.rename(old)
    else:
        for mine, theirs in zip(files_of(old), files_of(new), strict=True):
            os.replace(theirs, mine)


@pytest.mark.parametrize("write", KINDS)
@pytest.mark.parametrize("replace", [in_place, copied, moved])
def test_a_scan_that_took_the_place_of_another_is_read(tmp_path, write, replace):
    old, new = write(tmp_path / "a", 100), write(tmp_path / "b", 300)
    take_times(new, old)
    memory = Memory(tmp_path / "memory", verbose=0)
    volumes = VolumeCache()
    before = volumes.get(READER, old, memory).max()
    assert volumes.get(READER, old, memory).max() == before
    assert volumes.n_reads == 1
    replace(old, new)
    assert volumes.get(READER, old, memory).max() == before + 200
    assert VolumeCache().get(READER, old, memory).max() == before + 200


@pytest.mark.parametrize("write", KINDS)
def test_a_link_that_leads_elsewhere_is_another_scan(tmp_path, write):
    one, other = write(tmp_path / "a", 100), write(tmp_path / "b", 300)
    take_times(other, one)
    (tmp_path / "at").mkdir()
    links = tmp_path / "at" / one.name if one.is_dir() else tmp_path / "at"

    def point(to):
        if to.is_dir():
            links.unlink(missing_ok=True)
            links.symlink_to(to, target_is_directory=True)
            return links
        for path in files_of(to):
            link = links / f"scan{path.suffix}"
            link.unlink(missing_ok=True)
            link.symlink_to(path)
        return links / f"scan{to.suffix}"

    volumes = VolumeCache()
    before = volumes.get(READER, point(one)).max()
    assert volumes.get(READER, point(other)).max() == before + 200
    assert volumes.get(READER, point(one)).max() == before
    assert volumes.n_reads == 2


def test_a_scan_that_comes_back_from_a_backup_is_known_by_its_content(tmp_path):
    path = write_npy(tmp_path / "a", 100)
    content = path.read_bytes()
    memory = Memory(tmp_path / "memory", verbose=0)
    first = VolumeCache().get(READER, path, memory)
    path.unlink()
    (tmp_path / "other").write_bytes(b"has the number of the file that was there")
    path.write_bytes(content)
    volumes = VolumeCache()
    np.testing.assert_array_equal(volumes.get(READER, path, memory), first)
    assert volumes.n_reads == 0


def test_knowing_a_file_takes_one_look_at_it(tmp_path, monkeypatch):
    path = write_npy(tmp_path / "a", 100)
    looks = []
    stat = os.stat

    def counted(path, *args, **kwargs):
        looks.append(path)
        return stat(path, *args, **kwargs)

    monkeypatch.setattr(files.os, "stat", counted)
    scan_key(str(path))
    assert looks == [str(path)]
