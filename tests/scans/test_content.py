from __future__ import annotations

import os

import pytest

from skedema._caching.digest import file_digest as digest
from skedema.scans import _content, _digests
from skedema.scans._content import by_content, content_digest
from skedema.scans._paths import file_key


def test_files_are_known_by_their_content(tmp_path):
    path, copy = tmp_path / "a.bin", tmp_path / "b.bin"
    path.write_bytes(b"one")
    copy.write_bytes(b"one")
    before = content_digest(path)
    assert before == content_digest(str(copy))
    status = path.stat()
    with open(path, "r+b") as file:  # in place: the same inode
        file.write(b"two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    _content.digest_at.cache_clear()
    assert path.stat().st_mtime_ns == status.st_mtime_ns
    assert content_digest(path) != before


def test_each_file_is_hashed_once_a_process(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"one")
    before = _content.digest_at.cache_info().misses
    for _ in range(3):
        content_digest(path)
    assert _content.digest_at.cache_info().misses == before + 1
    assert _content.digest_at.cache_info().maxsize == 2**16


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
        suffix, found = name[1:].lower(), content_digest(path)
        file = ("file", *file_key(str(path)))
        key = by_content(file)
        assert key == ("content", suffix, found)
        assert by_content((*file, b"affine")) == (*key, b"affine")


def test_a_key_tells_the_content_it_was_made_of_whatever_became_of_the_file(tmp_path):
    path = tmp_path / "a.nii"
    path.write_bytes(b"voxels")
    key = ("file", *file_key(str(path)))
    told = by_content(key)
    path.write_bytes(b"other voxels")
    assert by_content(key) == told
    _content.digest_at.cache_clear()
    assert by_content(key) == key  # nobody can tell any more
    assert by_content(("file", *file_key(str(path)))) == ("content", ".nii", digest(path))


def test_a_file_that_is_written_while_it_is_hashed_has_no_digest(tmp_path, monkeypatch):
    path = tmp_path / "a.bin"
    path.write_bytes(b"one")

    def hashed(place):
        found = digest(place)
        path.write_bytes(b"other")
        return found

    with monkeypatch.context() as patch:
        patch.setattr(_digests, "file_digest", hashed)
        assert content_digest(path) is None
    assert content_digest(path) == digest(path)


@pytest.mark.parametrize(
    "key",
    [
        ("file", "gone.nii", (12,), 6),
        ("file", "pair.hdr", (12,), 6, "pair.img", (12,), 6),
        ("file", "pair.mha", (12,), 6),
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
    if key[1:2] in [("pair.hdr",), ("pair.mha",)]:  # as they are now
        files = [file_key(name) for name in key[1::3]]
        key = ("file", *(part for file in files for part in file))
    assert by_content(key) == key
