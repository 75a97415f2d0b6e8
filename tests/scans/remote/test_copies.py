from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import skedema
from skedema._told import listening
from skedema.scans import ScanError
from skedema.scans._remote import copies as module
from skedema.scans._remote.copies import Copies, copies_in
from skedema.scans._remote.store import look_up

from ..._web import web_server

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def web(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    for name in ("a.nii.gz", "b.nii.gz"):
        (folder / name).write_bytes(name.encode() * 1000)
    with web_server(folder) as server:
        yield server


def n_fetched(server):
    return sum(method == "GET" for method, _ in server.asked)


def files(copies):
    return sorted(path.name for path in copies.folder.iterdir())


def test_a_file_is_fetched_once(web, tmp_path):
    (found,) = look_up(f"{web.address}/a.nii.gz")
    paths = {Copies(tmp_path / "kept").path(found) for _ in range(3)}
    assert n_fetched(web) == 1
    (path,) = paths
    assert path.endswith(".nii.gz")
    assert Path(path).read_bytes() == b"a.nii.gz" * 1000
    assert len(files(Copies(tmp_path / "kept"))) == 2  # and its digest; no lock, nothing partial


@pytest.mark.parametrize("damage", ["flip", "cut", "gone", "no digest", "another digest"])
def test_a_copy_that_is_not_whole_is_fetched_anew(web, tmp_path, damage):
    (found,) = look_up(f"{web.address}/a.nii.gz")
    copies = Copies(tmp_path)
    path = Path(copies.path(found))
    record = path.with_name(path.name[:64] + ".sha256")
    content = bytearray(path.read_bytes())
    with listening() as told:
        if damage == "flip":
            content[500] ^= 1
            path.write_bytes(content)
        elif damage == "cut":
            path.write_bytes(content[:-1])
        elif damage == "gone":
            path.unlink()
        elif damage == "no digest":
            record.write_bytes(b"{")
        else:
            record.write_text('{"sha256": "' + 64 * "0" + '"}')
        assert copies.path(found) == str(path)
    assert path.read_bytes() == b"a.nii.gz" * 1000
    assert n_fetched(web) == 2
    assert len(told) == (damage in ("flip", "cut", "another digest"))


def test_the_digest_is_known_after_the_copy_had_to_go(web, tmp_path):
    (found,) = look_up(f"{web.address}/a.nii.gz")
    copies = Copies(tmp_path)
    entry = copies.entry(found)
    assert copies.content(entry) is None
    os.unlink(copies.path(found))
    assert len(copies.content(entry)) == 64


def test_the_folder_is_bounded(web, tmp_path):
    skedema.cache.set_max_bytes(tmp_path, 10_000)
    copies = copies_in(str(tmp_path))
    paths = [Path(copies.path(look_up(f"{web.address}/{name}.nii.gz")[0])) for name in "ab"]
    assert [path.exists() for path in paths] == [False, True]
    assert skedema.cache.info(tmp_path).loc["remote", "bytes_on_disk"] < 10_000
    skedema.cache.clear(tmp_path)
    assert not copies.folder.exists()


def test_a_file_that_has_no_room_is_refused_with_what_helps(web, tmp_path):
    skedema.cache.set_max_bytes(tmp_path, 4000)
    copies = copies_in(str(tmp_path))
    (found,) = look_up(f"{web.address}/a.nii.gz")
    with pytest.raises(ScanError, match=r"a.nii.gz: has 8,000 bytes, and .* may hold 4,000") as no:
        copies.path(found)
    call = str(no.value).partition("allow more by ")[2]
    exec(call, {"skedema": skedema})
    assert Path(copies.path(found)).exists()


def test_a_disk_that_is_full_is_told_and_nothing_is_left(web, tmp_path, monkeypatch):
    def full(found, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "fetch", full)
    copies = Copies(tmp_path)
    with pytest.raises(ScanError, match=r"cannot be written in .*No space left.* free space"):
        copies.path(look_up(f"{web.address}/a.nii.gz")[0])
    assert files(copies) == []


def test_processes_that_need_the_same_file_fetch_it_once(web, tmp_path):
    (found,) = look_up(f"{web.address}/a.nii.gz")
    with ThreadPoolExecutor(4) as threads:  # locks of files are apart in them as in processes
        paths = set(threads.map(lambda _: Copies(tmp_path).path(found), range(4)))
    assert n_fetched(web) == 1
    assert Path(paths.pop()).read_bytes() == b"a.nii.gz" * 1000
    assert not paths
