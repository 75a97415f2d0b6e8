from __future__ import annotations

import errno
import os
import pickle
import signal
import subprocess
import sys
import time
import warnings
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from joblib import Memory

from skedema.scans import _volume_store
from skedema.scans._volume_store import VolumeStore, by_content, content_digest, store_beneath

SHAPE = (2, 5, 4, 3)
VOLUME = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
KEY = "a scan, read in a way"


@pytest.fixture
def store(tmp_path):
    store = VolumeStore(tmp_path / "a" / "b")
    store.save(KEY, VOLUME)
    return store


def files(store):
    return sorted(path.name for path in store.folder.iterdir())


def test_what_was_kept_comes_back_to_the_bit(store):
    odd = np.array([[0.0, -0.0, 1e-45, np.finfo(np.float32).max]], dtype=np.float32)
    store.save("odd", odd)
    kept = {KEY: VOLUME, "odd": odd}
    for key, volume in kept.items():
        found = store.load(key, volume.shape)
        assert found.dtype == np.float32
        assert found.shape == volume.shape
        assert found.tobytes() == volume.tobytes()
        assert found.flags.writeable
    assert files(store) == sorted(store.path(k, v.shape).name for k, v in kept.items())


def test_volumes_need_not_be_contiguous(store):
    store.save("turned", VOLUME.T)
    assert (store.load("turned", SHAPE[::-1]) == VOLUME.T).all()


def test_another_key_or_shape_is_not_there(store):
    assert store.load("another", SHAPE) is None
    assert store.load(KEY, (1, 5, 4, 6)) is None
    assert VolumeStore(store.folder / "none").load(KEY, SHAPE) is None


def test_an_entry_says_in_clear_what_it_is(store):
    mark, about, _ = store.path(KEY, SHAPE).read_bytes().split(b"\n", 2)
    assert mark == b"SKEDVOL"
    assert about == (
        b'{"layout": 1, "dtype": "<f4", "shape": [2, 5, 4, 3], "key": "a scan, read in a way"}'
    )


def test_another_layout_is_not_looked_at(store, monkeypatch):
    monkeypatch.setattr(_volume_store, "_LAYOUT", 2)
    assert store.load(KEY, SHAPE) is None


def is_refused_and_written_over(store, content):
    path = store.path(KEY, SHAPE)
    whole = path.read_bytes()
    assert content != whole
    path.write_bytes(content)
    with pytest.warns(UserWarning, match=f"{path.name} is damaged or no volume of skedema"):
        assert store.load(KEY, SHAPE) is None
    store.save(KEY, VOLUME)
    assert path.read_bytes() == whole


def test_no_flipped_bit_is_served(store):
    whole = store.path(KEY, SHAPE).read_bytes()
    for position in range(0, len(whole), 7):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << position % 8
        is_refused_and_written_over(store, bytes(flipped))


def test_no_truncated_or_lengthened_entry_is_served(store):
    whole = store.path(KEY, SHAPE).read_bytes()
    head = whole.index(b"}\n") + 2
    for length in (0, 3, 8, 20, head, head + 1, head + 4 * VOLUME.size, len(whole) - 1):
        is_refused_and_written_over(store, whole[:length])
    is_refused_and_written_over(store, whole + b"\0")


def test_no_foreign_file_is_served(store, tmp_path):
    store.save("another", VOLUME + 1)
    whole = store.path("another", SHAPE).read_bytes()
    touched = tmp_path / "touched"
    foreign = [whole, b"", b"\0" * len(whole), pickle.dumps(_Touch(touched))]
    for content in foreign:
        is_refused_and_written_over(store, content)
    assert not touched.exists()  # nothing was unpickled


class _Touch:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


# Full disks and folders without permission


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("builtins.open", errno.EACCES),
        ("builtins.open", errno.ENOSPC),
        ("os.fsync", errno.ENOSPC),
        ("os.replace", errno.EACCES),
        ("pathlib.Path.mkdir", errno.EROFS),
    ],
)
def test_what_cannot_be_written_is_warned_of_once_and_leaves_nothing(
    tmp_path, monkeypatch, name, number
):
    store = VolumeStore(tmp_path / "store")
    store.folder.mkdir()

    def fail(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(name, fail)
        with pytest.warns(UserWarning, match=r"store: volumes cannot be written there") as caught:
            store.save(KEY, VOLUME)
        store.save(KEY, VOLUME)  # warns no more
    assert os.strerror(number) in str(caught[0].message)
    assert "give memory= another folder" in str(caught[0].message)
    assert files(store) == []
    store.save(KEY, VOLUME)  # space was freed
    assert (store.load(KEY, SHAPE) == VOLUME).all()


def test_a_disk_that_fills_while_an_entry_is_written_leaves_nothing(tmp_path):
    resource = pytest.importorskip("resource")
    store = VolumeStore(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.warns(UserWarning, match="cannot be written there"):
            store.save(KEY, VOLUME)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert files(store) == []


def test_what_cannot_be_opened_is_warned_of_once(store):
    path = store.path(KEY, SHAPE)
    path.unlink()
    path.mkdir()
    with pytest.warns(UserWarning, match="volumes cannot be read there"):
        assert store.load(KEY, SHAPE) is None
    store.save(KEY, VOLUME)
    assert store.load(KEY, SHAPE) is None
    assert files(store) == [path.name]


def test_a_file_in_place_of_the_folder_is_warned_of(tmp_path):
    (tmp_path / "file").write_text("")
    store = VolumeStore(tmp_path / "file" / "volumes")
    with pytest.warns(UserWarning, match="volumes cannot be read there"):
        assert store.load(KEY, SHAPE) is None
    store.save(KEY, VOLUME)


# Killed and concurrent writers

_HANG_BEFORE_THE_NAME = """
import sys, time
import numpy as np
from skedema.scans import _volume_store

def hang(*args):
    print("writing", flush=True)
    time.sleep(60)

setattr(_volume_store.os, sys.argv[2], hang)
_volume_store.VolumeStore(sys.argv[1]).save("killed", np.zeros((100, 100), np.float32))
"""


@pytest.mark.parametrize("at", ["fsync", "replace"])
def test_a_killed_writer_leaves_no_entry_and_is_cleared_up_after(store, at):
    command = [sys.executable, "-c", _HANG_BEFORE_THE_NAME, str(store.folder), at]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout.readline() == "writing\n"
        writer.kill()
    assert writer.returncode == -signal.SIGKILL
    assert store.load("killed", (100, 100)) is None
    [stray] = store.folder.glob(".*")

    VolumeStore(store.folder).save(KEY, VOLUME)
    assert stray.exists()  # its writer might be at work still
    os.utime(stray, (time.time() - 3700,) * 2)
    VolumeStore(store.folder).save(KEY, VOLUME)
    assert files(store) == [store.path(KEY, SHAPE).name]


def write_and_read(folder, n):
    """Write one entry again and again, and count what is read of it: right, missing, wrong."""
    store = VolumeStore(folder)
    counts = [0, 0, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(n):
            store.save("shared", np.full((40, 40, 40), 3, np.float32))
            found = store.load("shared", (40, 40, 40))
            counts[1 if found is None else 0 if (found == 3).all() else 2] += 1
    return counts


def test_processes_that_write_one_entry_at_once_read_whole_ones(store):
    with get_context("spawn").Pool(2) as pool:
        counts = pool.starmap(write_and_read, [(store.folder, 40)] * 2)
    assert counts == [[40, 0, 0]] * 2
    assert len(files(store)) == 2


# Where the store is


def test_the_store_lies_beneath_the_location_of_a_memory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = tmp_path / "here" / "skedema" / "volumes"
    for location in ("here", tmp_path / "here"):
        store = store_beneath(Memory(location, verbose=0))
        assert store.folder == expected
        assert store is store_beneath(Memory(str(tmp_path / "here"), verbose=0))
    assert store_beneath(None) is store_beneath(Memory(None)) is None


def test_a_memory_without_a_folder_is_refused():
    class Elsewhere:
        backend = "s3"

        def cache(self, function):
            return function

    with pytest.raises(ValueError, match=r"does not keep things in a folder. Give the path"):
        store_beneath(Elsewhere())


# Content of files


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
    _volume_store._hash_file.cache_clear()
    assert path.stat().st_mtime_ns == status.st_mtime_ns
    assert content_digest(path) != digest


def test_each_file_is_hashed_once_a_process(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"one")
    before = _volume_store._hash_file.cache_info().misses
    for _ in range(3):
        content_digest(path)
    assert _volume_store._hash_file.cache_info().misses == before + 1
    assert _volume_store._hash_file.cache_info().maxsize == 2**16


def test_what_cannot_be_hashed_has_no_digest(tmp_path, monkeypatch):
    assert content_digest(tmp_path / "gone") is None
    assert content_digest(tmp_path) is None
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for ever
    assert content_digest(tmp_path / "pipe") is None
    (tmp_path / "large").write_bytes(b"123")
    monkeypatch.setattr(_volume_store, "_MOST_BYTES", 2)
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
