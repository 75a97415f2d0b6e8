from __future__ import annotations

import os

import pytest

from skedema.scans import _content
from skedema.scans._content import by_content, content_digest


def test_files_are_known_by_their_content(tmp_path):
    path, copy = tmp_path / "a.bin", tmp_path / "b.bin"
    path.write_bytes(b"one")
    copy.write_bytes(b"one")
    digest = content_digest(path)
    assert digest == content_digest(str(copy))
    status = path.stat()
    with open(path, "r+b") as file:  # in place: the same inode
        file.write(b"two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    _content._hash_file.cache_clear()
    assert path.stat().st_mtime_ns == status.st_mtime_ns
    assert content_digest(path) != digest


def test_each_file_is_hashed_once_a_process(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"one")
    before = _content._hash_file.cache_info().misses
    for _ in range(3):
        content_digest(path)
    assert _content._hash_file.cache_info().misses == before + 1
    assert _content._hash_file.cache_info().maxsize == 2**16


def test_what_cannot_be_hashed_has_no_digest(tmp_path, monkeypatch):
    assert content_digest(tmp_path / "gone") is None
    assert content_digest(tmp_path) is None
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for ever
    assert content_digest(tmp_path / "pipe") is None
    (tmp_path / "large").write_bytes(b"123")
    monkeypatch.setattr(_content, "_MOST_BYTES", 2)
    assert content_digest(tmp_path / "large") is None


def test_keys_of_files_that_are_whole_scans_hold_the_content(tmp_path):
    for name in ("a.nii", "A.NII.GZ", "a.npy", "a.nrrd"):
        path = tmp_path / name
        path.write_bytes(b"voxels")
        suffix, digest = name[1:].lower(), content_digest(path)
        key = by_content(("file", str(path), 12, 6))
        assert key == ("content", suffix, digest)
        assert by_content(("file", str(path), 12, 6, b"affine")) == (*key, b"affine")


@pytest.mark.parametrize(
    "key",
    [
        ("file", "gone.nii", 12, 6),
        ("file", "pair.hdr", 12, 6, "pair.img", 12, 6),
        ("file", "pair.mha", 12, 6),
        ("array", "digest"),
        ("image", "digest", b"affine"),
        (("file", "1.dcm", 1, 2), ("file", "2.dcm", 1, 2)),
        (),
    ],
    ids=str,
)
def test_other_keys_stay_as_they_are(key, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("pair.hdr", "pair.img", "pair.mha"):
        (tmp_path / name).write_bytes(b"header")
    assert by_content(key) == key
