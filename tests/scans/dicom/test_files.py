from __future__ import annotations

import os
import zipfile

import pytest

from skedema import VolumeReader
from skedema.scans import ScanError, looks_like_scan
from skedema.scans.dicom import load_dicom
from skedema.scans.dicom._load import dicom_key
from skedema.scans.files import load_scan, scan_key

from ._exam import assert_same, enhanced, exam, write
from ._ramp import CHANGING, assert_is_the_ramp, write_series


def test_folder_list_and_zip_give_the_same_scan(tmp_path):
    paths = write_series(tmp_path / "exam" / "st0" / "se1", CHANGING)
    (tmp_path / "exam" / "README.txt").write_text("not DICOM")
    with zipfile.ZipFile(tmp_path / "exam.ZIP", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in paths:
            archive.write(path, f"../../etc/{path.name}")
        archive.writestr("notes/", "")
        archive.writestr("notes/read.me", "not DICOM")
    before = sorted(tmp_path.rglob("*"))
    expected = load_dicom(str(tmp_path / "exam"), "exam")
    for cell in (tmp_path / "exam.ZIP", paths, tuple(map(str, paths[::-1]))):
        scan = load_dicom(cell, "exam")
        assert (scan.voxels == expected.voxels).all()
        assert (scan.affine == expected.affine).all()
        assert (scan.depths == expected.depths).all()
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "gone", "gone: cannot be opened .No such file"),
        (lambda folder: folder, "is a folder without files"),
        (lambda folder: [], "an empty list of files"),
        (lambda folder: [folder], "is a folder; give files"),
        (lambda folder: [3.5], "3.5 is not a path"),
        (lambda folder: None, "None is not a path"),
        (lambda folder: "a\0b", "cannot be opened"),
    ],
    ids=["gone", "empty folder", "empty list", "folder in a list", "number", "None", "NUL"],
)
def test_what_holds_no_files_is_refused(tmp_path, make, message):
    for function in (load_dicom, dicom_key):
        with pytest.raises(ScanError, match=f"^exam: .*{message}"):
            function(make(tmp_path), "exam")


def test_deflated_files_are_refused_unopened(tmp_path):
    write_series(tmp_path, syntax="1.2.840.10008.1.2.1.99")
    with pytest.raises(ScanError, match=r"deflated .* is not read; decompress it first"):
        load_dicom(tmp_path, "exam")


def test_folders_are_searched_within_bounds(tmp_path, monkeypatch):
    write_series(tmp_path / "a" / "b")
    os.symlink(tmp_path, tmp_path / "a" / "loop")
    os.mkfifo(tmp_path / "a" / "pipe")
    os.symlink(tmp_path / "gone", tmp_path / "a" / "nowhere")
    assert_is_the_ramp(load_dicom(tmp_path, "exam"))
    monkeypatch.setattr("skedema.scans.dicom._files.MAX_DEPTH", 1)
    with pytest.raises(ScanError, match=r"^exam: has folders 1 deep; give the folder of one exam"):
        load_dicom(tmp_path, "exam")
    monkeypatch.setattr("skedema.scans.dicom._files.MAX_FILES", 3)
    with pytest.raises(ScanError, match="more than 3 files"):
        load_dicom(tmp_path / "a" / "b", "exam")
    with pytest.raises(ScanError, match=r"has \d+ bytes, more than 100;"):
        load_dicom(sorted((tmp_path / "a" / "b").iterdir())[:2], "exam", 100)


def zipped(path, files, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for one in files:
            archive.write(one, one.name)
    return path


def test_a_zip_that_unpacks_to_too_much_is_refused(tmp_path):
    paths = write_series(tmp_path / "a")
    bomb = zipped(tmp_path / "bomb.zip", paths)
    with pytest.raises(ScanError, match=r"^exam: unpacks to \d+ bytes, more than 2000"):
        load_dicom(bomb, "exam", 2000)


def test_broken_zips_are_refused(tmp_path):
    paths = write_series(tmp_path / "a")
    whole = zipped(tmp_path / "whole.zip", paths, zipfile.ZIP_STORED).read_bytes()
    cut = tmp_path / "cut.zip"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ScanError, match=r"^exam: cannot be read \(BadZipFile"):
        load_dicom(cut, "exam")
    pixels = whole.index(b"\xe0\x7f\x10\x00") + 40
    flipped = tmp_path / "flipped.zip"
    flipped.write_bytes(whole[:pixels] + bytes([whole[pixels] ^ 1]) + whole[pixels + 1 :])
    with pytest.raises(ScanError, match="Bad CRC-32"):
        load_dicom(flipped, "exam")
    locked = tmp_path / "locked.zip"
    central = whole.index(b"PK\x01\x02") + 8
    locked.write_bytes(whole[:central] + b"\x01" + whole[central + 1 :])
    with pytest.raises(ScanError, match="is encrypted; unpack it"):
        load_dicom(locked, "exam")


def test_the_key_changes_with_the_files(tmp_path):
    paths = write_series(tmp_path / "a")
    archive = zipped(tmp_path / "a.zip", paths)
    cells = [tmp_path / "a", archive, paths, paths[0]]
    keys = [dicom_key(cell, "exam") for cell in cells]
    assert [dicom_key(cell, "exam") for cell in cells] == keys
    assert len({*map(hash, keys)}) == 4
    status = os.stat(paths[0])
    os.utime(paths[0], ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    os.utime(archive, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert not set(keys) & {dicom_key(cell, "exam") for cell in cells}
    before = dicom_key(tmp_path / "a", "exam")
    paths[0].write_bytes(paths[0].read_bytes() + b"\0")
    os.utime(paths[0], ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert dicom_key(tmp_path / "a", "exam") != before
    assert dicom_key(str(tmp_path / "a"), "exam") == dicom_key(tmp_path / "a", "exam")


@pytest.mark.parametrize("name", ["IM{:06d}", "1.2.840.113704.1.{}", "{}.IMA"])
def test_dicom_files_of_any_name_are_scans(tmp_path, whole, name, monkeypatch):
    (path,) = write(tmp_path / "a", [enhanced()], name)
    assert looks_like_scan(str(path))
    assert looks_like_scan(path)
    assert not looks_like_scan(path.name)
    for cell in (path, str(path)):
        assert_same(load_scan(cell), whole)
        assert scan_key(cell)[0] == "dicom"
    with pytest.raises(ScanError, match="is a single slice; give the folder that it lies in"):
        load_scan(write(tmp_path / "b", exam(1), name)[0])
    assert_same(load_scan(write(tmp_path / "c", exam(), name)), whole)
    monkeypatch.chdir(tmp_path / "a")
    assert_same(load_scan(path.name), whole)


def test_a_zip_is_treated_as_its_folder_is(tmp_path, whole):
    paths = write(tmp_path / "a", exam())
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for path in paths:
            archive.write(path, path.name)
        archive.writestr("lost", b"")
    with pytest.warns(UserWarning, match=r"^exam: 1 file \(lost\) left out"):
        assert_same(load_dicom(tmp_path / "a.zip", "exam"), whole)


def test_the_time_of_reading_is_one_look_at_each_file(tmp_path, monkeypatch):
    """Headers are read once a file, and pixels once a file."""
    write(tmp_path / "a", exam())
    opened = []
    whole_open = open

    def counting(path, *args, **kwargs):
        if isinstance(path, str | os.PathLike) and str(tmp_path) in str(path):
            opened.append(os.path.basename(path))
        return whole_open(path, *args, **kwargs)

    monkeypatch.setattr("builtins.open", counting)
    load_dicom(tmp_path / "a", "exam")
    assert sorted(opened) == sorted([f"IM{k:04d}" for k in range(12)] * 2)


def test_a_scan_column_may_name_files_without_ending_in_the_working_directory(
    tmp_path, monkeypatch
):
    import pandas as pd

    from skedema import AttentionMixerClassifier

    for k in range(4):
        write(tmp_path, [enhanced()], f"IM{k:06d}")
    monkeypatch.chdir(tmp_path)
    X = pd.DataFrame({"scan": [f"IM{k:06d}" for k in range(4)], "age": [50.0, 60, 70, 80]})
    reader = VolumeReader(shape=16, spacing=4.0)
    clf = AttentionMixerClassifier(image="scan", volume=reader, max_epochs=1, random_state=0)
    assert clf.fit(X, [0, 1, 0, 1]).predict_proba(X).shape == (4, 2)
