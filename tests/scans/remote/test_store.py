from __future__ import annotations

import base64
import hashlib
import os
from importlib import import_module
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from skedema.scans import ScanError, VolumeReader
from skedema.scans._remote import store
from skedema.scans._remote.store import fetch, forget, look_up

from ..._web import web_server

CONTENT = bytes(range(256)) * 40


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(store, "_WAITS", (0.0, 0.0))


@pytest.fixture
def web(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "scan.nii.gz").write_bytes(CONTENT)
    with web_server(folder) as server:
        yield server


def fetched(address, tmp_path):
    (found,) = look_up(address)
    fetch(found, tmp_path / "copy")
    return found, (tmp_path / "copy").read_bytes()


def test_a_file_of_s3_is_found_and_fetched(s3, tmp_path):
    s3.put_object(Bucket="exams", Key="a/scan #1 of 2.nii.gz", Body=CONTENT)
    found, content = fetched("s3://exams/a/scan #1 of 2.nii.gz", tmp_path)
    assert content == CONTENT
    assert found.size == len(CONTENT)
    assert found.md5 == hashlib.md5(CONTENT).hexdigest()


def test_a_folder_of_s3_is_all_its_files(s3, tmp_path):
    for key in ("series/b/IM2", "series/IM1", "series-2/IM1", "other"):
        s3.put_object(Bucket="exams", Key=key, Body=CONTENT)
    for address in ("s3://exams/series/", "s3://exams/series"):
        assert [found.address for found in look_up(address)] == [
            "s3://exams/series/IM1",
            "s3://exams/series/b/IM2",
        ]


class _OfGoogle(MemoryFileSystem):
    """A store in memory that tells of a file what gcsfs does.

    It hands on the resource of Google's JSON API: numbers as texts, and an MD5 in base 64.
    """

    protocol = ("gs", "gcs")
    store: ClassVar = {}
    pseudo_dirs: ClassVar = [""]

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.partition("://")[2] or path)

    def info(self, path, **kwargs):
        about = super().info(path, **kwargs)
        return about | (self.told(self.cat_file(path)) if about["type"] == "file" else {})

    def find(self, path, detail=False, **kwargs):
        found = {name: self.info(name) for name in super().find(path, **kwargs)}
        return found if detail else list(found)

    def told(self, content):
        md5 = base64.b64encode(hashlib.md5(content).digest()).decode()
        return {"md5Hash": md5, "generation": f"17{hash(content)}", "updated": "2026-11-27"}


class _OfAzure(_OfGoogle):
    """One that tells what adlfs does, which hands on the properties of a blob."""

    protocol = ("az", "abfs", "abfss")
    store: ClassVar = {}
    pseudo_dirs: ClassVar = [""]

    def told(self, content):
        settings = {"content_md5": bytearray(hashlib.md5(content).digest())}
        return {"content_settings": settings, "etag": f"0x8D{hash(content)}"}


@pytest.fixture(params=[_OfGoogle, _OfAzure])
def other(request, monkeypatch):
    """Give the beginning of an address, and the store that fsspec then knows for it."""
    kind = request.param
    for name in kind.protocol:
        # As fsspec.register_implementation does, and undone afterwards.
        monkeypatch.setitem(import_module("fsspec.registry")._registry, name, kind)
    kind.store.clear()
    return f"{kind.protocol[0]}://exams", kind()


def test_files_and_folders_of_other_stores_are_found_and_fetched(other, tmp_path):
    start, files = other
    for name in ("series/b/IM2", "series/IM1", "series-2/IM1"):
        files.pipe_file(f"exams/{name}", CONTENT + name.encode())
    found, content = fetched(f"{start}/series/IM1", tmp_path)
    assert content == CONTENT + b"series/IM1"
    assert found.md5 == hashlib.md5(content).hexdigest()
    assert [each.address for each in look_up(f"{start}/series/")] == [
        f"{start}/series/IM1",
        f"{start}/series/b/IM2",
    ]
    files.pipe_file("exams/series/IM1", CONTENT)
    with pytest.raises(ScanError, match="was written anew while it was read"):
        fetch(found, tmp_path / "copy")
    with pytest.raises(ScanError, match=rf"{start}/none.nii: there is no such file"):
        look_up(f"{start}/none.nii")


def test_what_other_stores_hold_damaged_is_refused(other, tmp_path, monkeypatch):
    start, files = other
    files.pipe_file("exams/scan.nii", CONTENT)
    (found,) = look_up(f"{start}/scan.nii")
    monkeypatch.setattr(
        type(files), "get_file", lambda self, path, to: Path(to).write_bytes(CONTENT[::-1])
    )
    with pytest.raises(ScanError, match=r"scan.nii: what arrived is not what .*\(MD5\)"):
        fetch(found, tmp_path / "copy")


def test_a_scan_of_another_store_is_that_of_the_file(other, tmp_path):
    start, files = other
    scan = np.random.default_rng(0).normal(40, 9, (12, 12, 12)).astype(np.float32)
    np.save(tmp_path / "scan.npy", scan)
    files.put_file(str(tmp_path / "scan.npy"), "exams/scan.npy")
    here = VolumeReader(shape=8).read(tmp_path / "scan.npy")
    there = VolumeReader(shape=8, remote=str(tmp_path / "copies")).read(f"{start}/scan.npy")
    assert np.array_equal(here, there)


def test_a_file_of_a_web_server_is_found_and_fetched(web, tmp_path):
    found, content = fetched(f"{web.address}/scan.nii.gz", tmp_path)
    assert content == CONTENT
    assert found.size == len(CONTENT)


def test_bytes_are_as_the_server_keeps_them(web, tmp_path):
    web.headers["Content-Encoding"] = "identity"
    assert fetched(f"{web.address}/scan.nii.gz", tmp_path)[1] == CONTENT


def test_what_was_written_anew_is_another(s3):
    versions = set()
    for content in (b"a", b"b", b"a"):
        s3.put_object(Bucket="exams", Key="scan.nii", Body=content)
        forget()
        versions.add(look_up("s3://exams/scan.nii")[0].identity)
    assert len(versions) == 2  # the third is as the first


def test_a_store_is_asked_once_in_a_while(web, monkeypatch):
    address = f"{web.address}/scan.nii.gz"
    for _ in range(3):
        look_up(address)
    assert len(web.asked) == 1
    monkeypatch.setattr(store, "_A_RUN", -1.0)
    look_up(address)
    assert len(web.asked) == 2


def test_failures_that_pass_are_tried_again(web, tmp_path):
    web.failures.update(HEAD=1, GET=1)  # asking takes GET where HEAD fails
    assert fetched(f"{web.address}/scan.nii.gz", tmp_path)[1] == CONTENT
    web.failures.update(HEAD=99, GET=99)
    forget()
    with pytest.raises(ScanError, match=r"scan.nii.gz: cannot be fetched \(.*503.*, 3 times"):
        look_up(f"{web.address}/scan.nii.gz")


@pytest.mark.parametrize(
    ("status", "why"), [(404, "no such file"), (403, "credentials"), (401, "credentials")]
)
def test_failures_that_stay_are_not(web, status, why):
    web.failures.update(HEAD=99, GET=99)
    web.status = status
    with pytest.raises(ScanError, match=why):
        look_up(f"{web.address}/scan.nii.gz")
    assert len(web.asked) == 2  # HEAD, then GET


@pytest.mark.parametrize("status", [403, 404, 500])
def test_no_message_holds_a_secret(web, status):
    web.failures.update(HEAD=99, GET=99)
    web.status = status
    host = web.address.removeprefix("http://")
    with pytest.raises(ScanError) as caught:
        look_up(f"http://me:s3cret@{host}/scan.nii.gz?X-Amz-Signature=s3cret&X-Amz-Date=1")
    assert f"{web.address}/scan.nii.gz: " in str(caught.value)
    errors, error = [], caught.value
    while error is not None:
        errors.append(error)
        error = error.__cause__ or error.__context__
    assert "s3cret" not in "".join(map(repr, errors))


def test_what_is_not_there_or_not_allowed_at_s3_is_told(s3, monkeypatch):
    for address in ("s3://exams/none.nii", "s3://nobodys/none.nii"):
        with pytest.raises(ScanError, match=f"{address}: there is no such file; correct"):
            look_up(address)
    monkeypatch.setattr(store, "_list", raising(PermissionError("Forbidden")))
    with pytest.raises(ScanError, match=r"s3://exams/a.nii: may not be read; give credentials"):
        look_up("s3://exams/a.nii")


def raising(error):
    def function(*_, **__):
        raise error

    return function


def test_a_file_that_changes_meanwhile_is_refused(s3, tmp_path):
    s3.put_object(Bucket="exams", Key="scan.nii", Body=b"before")
    (found,) = look_up("s3://exams/scan.nii")
    s3.put_object(Bucket="exams", Key="scan.nii", Body=b"after!")
    with pytest.raises(ScanError, match="written anew while it was read; begin once more"):
        fetch(found, tmp_path / "copy")
    fetch(look_up("s3://exams/scan.nii")[0], tmp_path / "copy")  # which works
    assert (tmp_path / "copy").read_bytes() == b"after!"


def test_what_arrives_damaged_is_refused(web, tmp_path):
    right = base64.b64encode(hashlib.md5(CONTENT).digest()).decode()
    web.headers["Content-MD5"] = right
    address = f"{web.address}/scan.nii.gz"
    assert fetched(address, tmp_path)[1] == CONTENT
    served = Path(tmp_path / "served" / "scan.nii.gz")
    times = served.stat().st_mtime
    served.write_bytes(CONTENT[::-1])
    os.utime(served, (times, times))
    with pytest.raises(ScanError, match="not what the store says it holds"):
        fetched(address, tmp_path)
    served.write_bytes(CONTENT[:-1])
    with pytest.raises(ScanError, match="written anew"):
        fetched(address, tmp_path)


def test_where_no_version_is_told_the_size_must_be_right_and_nothing_is_known_for_long(
    web, tmp_path, monkeypatch
):
    monkeypatch.setattr(store, "_TIMES", ())  # as fsspec 2025.3 has it of a web server
    address = f"{web.address}/scan.nii.gz"
    found, content = fetched(address, tmp_path)
    assert content == CONTENT
    forget()
    assert look_up(address)[0].identity != found.identity
    (tmp_path / "served" / "scan.nii.gz").write_bytes(CONTENT[:-1])
    with pytest.raises(ScanError, match="written anew"):
        fetch(found, tmp_path / "copy")


def test_an_etag_of_what_is_encrypted_is_no_md5(s3, tmp_path, monkeypatch):
    s3.put_object(Bucket="exams", Key="a.nii", Body=CONTENT, ServerSideEncryption="aws:kms")
    s3.put_object(Bucket="exams", Key="b.nii", Body=CONTENT)
    monkeypatch.setattr(store, "_md5", lambda path: "another")
    assert fetched("s3://exams/a.nii", tmp_path)[1] == CONTENT
    with pytest.raises(ScanError, match="not what the store says it holds"):
        fetched("s3://exams/b.nii", tmp_path)


def test_a_server_that_tells_no_size_is_refused(web, monkeypatch):
    monkeypatch.setattr(store, "_store_of", lambda address: NoSize())
    with pytest.raises(ScanError, match="does not tell how many bytes"):
        look_up(f"{web.address}/scan.nii.gz")


class NoSize:
    def _strip_protocol(self, address):
        return address

    def info(self, path):
        return {"name": path, "type": "file", "size": None}


def test_an_unprotected_address_that_another_leads_to_is_refused(web, monkeypatch):
    class Led(NoSize):
        def info(self, path):
            return {"name": path, "type": "file", "size": 3, "url": "http://h.org/a"}

    monkeypatch.setattr(store, "_store_of", lambda address: Led())
    with pytest.raises(ScanError, match="leads on to another address, and http://"):
        look_up(f"{web.address}/scan.nii.gz")


def test_without_the_packages_it_is_told_what_to_install(monkeypatch):
    monkeypatch.setattr("fsspec.filesystem", raising(ImportError("Install s3fs to access S3")))
    with pytest.raises(ImportError, match=r"s3:// needs s3fs: pip install s3fs"):
        look_up("s3://exams/a.nii")
