from __future__ import annotations

import os
import pickle
import shutil

import numpy as np
import pytest

from skedema import VolumeReader
from skedema._caching.meaning import digest
from skedema.scans import ScanError, check, files, looks_like_scan
from skedema.scans._content import kept_as
from skedema.scans._remote.scan import RemoteScan, at_address, is_address
from skedema.scans._remote.store import forget
from skedema.scans.cache import VolumeCache
from skedema.scans.files import load_scan, scan_key, scan_name

from ..._web import web_server
from ..dicom._exam import exam, read_in_silence, write

READER = VolumeReader(shape=8)


@pytest.fixture
def scan(write_scan, blobs):
    return write_scan(*blobs)


@pytest.fixture
def far(s3, scan):
    s3.upload_file(str(scan), "exams", "sub-01/scan.nii.gz")
    return "s3://exams/sub-01/scan.nii.gz"


def asking(folder):
    return VolumeReader(shape=8, remote=str(folder))


def test_a_scan_at_an_address_is_as_the_file(far, scan, tmp_path):
    reader = asking(tmp_path / "copies")
    np.testing.assert_array_equal(reader.read(far), READER.read(scan))
    np.testing.assert_array_equal(reader.transform([far, str(scan)]), READER.transform([scan] * 2))
    values = np.ones((8, 8, 8), np.float32)
    np.testing.assert_array_equal(reader.to_scan(values, far), READER.to_scan(values, scan))


def test_a_scan_at_a_web_server_is_as_the_file(scan, tmp_path):
    with web_server(tmp_path) as server:
        address = f"{server.address}/{scan.name}?X-Amz-Signature=secret"
        read = asking(tmp_path / "copies").read(address)
    np.testing.assert_array_equal(read, READER.read(scan))


def test_nothing_is_fetched_unless_asked(far):
    for call in (READER.read, load_scan, scan_key):
        with pytest.raises(ScanError, match=r"is an address, and .* volume=VolumeReader\(remote"):
            call(far)
    with pytest.raises(ScanError, match="is an address"):
        READER.read([far, far])


def test_a_list_takes_paths_or_addresses(far, scan, tmp_path):
    with pytest.raises(ScanError, match="a list of paths and addresses"):
        asking(tmp_path).read([far, str(scan)])


@pytest.mark.parametrize("remote", [3, True, ["a"]])
def test_the_folder_has_to_be_one(remote):
    with pytest.raises(TypeError, match=r"remote=.*give a folder for copies of scans, or None"):
        VolumeReader(remote=remote).fit([])


def test_a_series_in_a_folder_is_as_the_folder(s3, tmp_path):
    here = read_in_silence(tmp_path / "here", exam())
    for path in (tmp_path / "here").iterdir():
        s3.upload_file(str(path), "exams", f"series/{path.name}")
    names = sorted(path.name for path in (tmp_path / "here").iterdir())
    for cell in ("s3://exams/series/", [f"s3://exams/series/{name}" for name in names]):
        there = load_scan(at_address(cell, tmp_path / "copies"))
        np.testing.assert_array_equal(there.voxels, here.voxels)
        np.testing.assert_array_equal(there.affine, here.affine)


def test_a_series_that_is_damaged_names_the_file_not_its_copy(s3, tmp_path):
    write(tmp_path / "here", exam(4))
    first, *others = sorted((tmp_path / "here").iterdir())
    s3.put_object(Bucket="exams", Key="x/IM0", Body=first.read_bytes()[:-100])
    for path in others:
        s3.upload_file(str(path), "exams", f"x/{path.name}")
    with pytest.raises(ScanError, match="IM0") as caught:
        load_scan(at_address("s3://exams/x", tmp_path / "copies"))
    assert str(tmp_path) not in str(caught.value)


def test_a_zip_at_an_address_is_read(s3, tmp_path):
    here = read_in_silence(tmp_path / "here", exam())
    packed = shutil.make_archive(str(tmp_path / "exam"), "zip", tmp_path / "here")
    s3.upload_file(packed, "exams", "exam.zip")
    there = load_scan(at_address("s3://exams/exam.zip", tmp_path / "copies"))
    np.testing.assert_array_equal(there.voxels, here.voxels)


def test_a_copy_that_has_to_go_while_it_is_read_is_fetched_once_more(far, tmp_path, monkeypatch):
    remote, load, calls = at_address(far, tmp_path), files._load, []

    def first_gone(path, *others):
        calls.append(path)
        if len(calls) == 1:
            os.unlink(path)
        return load(path, *others)

    monkeypatch.setattr(files, "_load", first_gone)
    assert load_scan(remote).voxels.shape == (12, 10, 8)
    assert len(calls) == 2


def test_its_digest_says_what_it_is_wherever_copies_are_and_nobody_is_asked(tmp_path):
    def of(address, folder):
        return digest([at_address(address, tmp_path / folder)], "X")

    series = of("s3://exams/series/", "a")
    assert series == of("s3://exams/series/", "b")
    assert series != of("s3://exams/other/", "a")
    signed = "https://host/scan.nii.gz?X-Amz-Signature="
    assert of(f"{signed}one", "a") == of(f"{signed}two", "a")
    readers = (digest(asking(tmp_path / each), "volume") for each in "ab")
    assert len({*readers, digest(READER, "volume")}) == 1


def test_half_of_a_pair_is_told(s3, tmp_path):
    s3.put_object(Bucket="exams", Key="a.hdr", Body=b"0" * 400)
    with pytest.raises(ScanError, match=r"half of a pair.* convert both to one .nii.gz"):
        load_scan(at_address("s3://exams/a.hdr", tmp_path))


def test_the_key_is_another_once_it_was_written_anew(far, s3, tmp_path):
    before = scan_key(at_address(far, tmp_path))
    assert scan_key(at_address(far, tmp_path)) == before
    s3.put_object(Bucket="exams", Key="sub-01/scan.nii.gz", Body=b"another")
    forget()
    assert scan_key(at_address(far, tmp_path)) != before


def test_what_is_kept_is_known_by_content_here_and_there(far, scan, tmp_path):
    remote, here = at_address(far, tmp_path / "copies"), str(scan)
    assert kept_as((scan_key(remote), "how"))[0][0] == "remote"  # not fetched yet
    cache = VolumeCache()
    volume = cache.get(READER, remote, tmp_path / "memory")
    assert kept_as((scan_key(remote), "how")) == kept_as((scan_key(here), "how"))
    other = VolumeCache()
    np.testing.assert_array_equal(other.get(READER, here, tmp_path / "memory"), volume)
    assert (cache.n_reads, other.n_reads) == (1, 0)


def test_check_reads_scans_at_addresses(far, scan, tmp_path):
    reader = VolumeReader(remote=tmp_path / "copies")
    table = check([far, "s3://exams/none.nii.gz", str(scan)], volume=reader)
    assert table["readable"].tolist() == [True, False, True]
    assert table["scan"].tolist()[:2] == [far, "s3://exams/none.nii.gz"]
    assert "there is no such file; correct the address" in table["findings"][1]
    assert table["checksum"][0] == table["checksum"][2]
    asked = check([far])
    assert "VolumeReader(remote=FOLDER)" in asked["findings"][0][0]


def test_its_name_has_no_secrets_and_it_travels(far, tmp_path):
    scan = at_address("https://me:pw@h.org/a.nii.gz?X-Amz-Signature=0", tmp_path)
    for text in (repr(scan), str(scan), scan_name(scan), scan_name(scan.addresses[0])):
        assert "https://h.org/a.nii.gz" in text
        assert "pw" not in text
        assert "Signature" not in text
    here = at_address(far, tmp_path)
    assert here.found
    again = pickle.loads(pickle.dumps(here))
    assert again == here
    assert hash(again) == hash(here)
    assert again._found == here.found  # so that no other process asks
    assert here != scan


def test_it_opens_like_a_path(far, scan, tmp_path):
    with open(at_address(far, tmp_path / "copies"), "rb") as file:
        assert file.read() == scan.read_bytes()


def test_what_looks_like_a_scan():
    yes = "s3://b/a.nii.gz", "s3://b/series/", "https://h/a.nii?sig=1", RemoteScan(("s3://b",), "/")
    assert all(map(looks_like_scan, yes))
    assert not looks_like_scan("https://h.org/records/3")
    assert is_address(["s3://b/1", "s3://b/2"])
    assert not is_address(["a", "b"])
