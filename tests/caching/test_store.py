from __future__ import annotations

import errno
import hashlib
import json
import os
import pickle
import signal
import subprocess
import sys
import warnings
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from joblib import Memory

from skedema._caching import store as module
from skedema._caching.store import ArrayStore, store_beneath

SHAPE = (2, 5, 4, 3)
ARRAY = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
KEY = "a scan, read in a way"


@pytest.fixture
def store(tmp_path):
    store = ArrayStore(tmp_path / "a" / "b")
    store.save(KEY, ARRAY)
    return store


def files(store):
    return sorted(path.name for path in store.folder.iterdir())


ODD = [[0.0, -0.0, 1e-45, 3e38, np.nan, -np.inf]]


@pytest.mark.parametrize(
    "array",
    [
        ARRAY,
        ARRAY.astype(np.float64),
        np.array(ODD, dtype=np.float32),
        np.array(ODD) / 3,
        np.float64(3).reshape(()),
        np.empty((0, 3), np.float32),
        np.ones((1,) * 8, np.float32),
        ARRAY.T,
        ARRAY[:, ::2, ::-1],
        ARRAY.astype(">f4"),
    ],
    ids=lambda array: f"{array.dtype.str}{list(array.shape)}",
)
def test_what_was_kept_comes_back_to_the_bit(store, array):
    store.save("array", array)
    found = store.load("array")
    assert found.dtype == array.dtype.newbyteorder("=")
    assert found.dtype.isnative
    assert found.shape == array.shape
    assert found.tobytes() == array.astype(found.dtype).tobytes()
    assert found.flags.writeable
    assert files(store) == sorted(store.path(key).name for key in (KEY, "array"))


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (np.zeros(3, np.int16), TypeError, "int16 cannot be kept; give float32 or float64"),
        (np.zeros(3, np.float16), TypeError, "float16 cannot be kept"),
        (np.zeros(3, object), TypeError, "object cannot be kept"),
        (np.zeros((1,) * 9), ValueError, "9 axes cannot be kept; give at most 8"),
    ],
    ids=lambda value: "",
)
def test_other_arrays_are_refused(store, array, error, message):
    with pytest.raises(error, match=message):
        store.save("other", array)
    assert files(store) == [store.path(KEY).name]


def test_an_entry_is_known_by_its_key_alone(store):
    store.save(KEY, ARRAY[0] + 1)
    assert (store.load(KEY) == ARRAY[0] + 1).all()
    assert len(files(store)) == 1


def test_another_key_is_not_there(store):
    assert store.load("another") is None
    assert ArrayStore(store.folder / "none").load(KEY) is None


@pytest.mark.parametrize(
    "key", ["", "a \n line", 'a "quote" \\', "h\u00e4", "\ud800", "k" * 200_000]
)
def test_a_key_may_be_any_text_of_any_length(store, key):
    store.save(key, ARRAY)
    assert (store.load(key) == ARRAY).all()
    about = store.path(key).read_bytes().split(b"\n", 2)[1]
    assert json.loads(about)["key"] == key


def test_an_entry_says_in_clear_what_it_is(store):
    mark, about, _ = store.path(KEY).read_bytes().split(b"\n", 2)
    assert mark == b"SKEDEMA"
    assert about == (
        b'{"layout": 2, "dtype": "<f4", "shape": [2, 5, 4, 3], "key": "a scan, read in a way"}'
    )


def test_another_layout_is_not_looked_at(store, monkeypatch):
    monkeypatch.setattr(module, "_LAYOUT", 3)
    assert store.load(KEY) is None


def is_refused_and_written_over(store, content):
    path = store.path(KEY)
    whole = path.read_bytes()
    assert content != whole
    path.write_bytes(content)
    with pytest.warns(UserWarning, match=f"{path.name} is damaged or not made by skedema"):
        assert store.load(KEY) is None
    store.save(KEY, ARRAY)
    assert path.read_bytes() == whole


def test_no_flipped_bit_is_served(store):
    whole = store.path(KEY).read_bytes()
    for position in range(0, len(whole), 7):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << position % 8
        is_refused_and_written_over(store, bytes(flipped))


def test_no_truncated_or_lengthened_entry_is_served(store):
    whole = store.path(KEY).read_bytes()
    head = whole.index(b"}\n") + 2
    for length in (0, 3, 8, 20, head, head + 1, head + 4 * ARRAY.size, len(whole) - 1):
        is_refused_and_written_over(store, whole[:length])
    is_refused_and_written_over(store, whole + b"\0")


def test_no_foreign_file_is_served(store, tmp_path):
    store.save("another", ARRAY + 1)
    whole = store.path("another").read_bytes()
    touched = tmp_path / "touched"
    foreign = [whole, b"", b"\0" * len(whole), pickle.dumps(_Touch(touched))]
    for content in foreign:
        is_refused_and_written_over(store, content)
    assert not touched.exists()  # nothing was unpickled


def entry(about, numbers=b""):
    """Make an entry that is whole for what its head says."""
    head = b"SKEDEMA\n" + (about if isinstance(about, bytes) else json.dumps(about).encode())
    content = head + b"\n" + numbers
    return content + hashlib.sha256(content).digest()


ABOUT = {"layout": 2, "dtype": "<f4", "shape": [2], "key": KEY}


def test_the_entries_made_here_are_right(store):
    store.path(KEY).write_bytes(entry(ABOUT, bytes(8)))
    assert (store.load(KEY) == [0, 0]).all()


@pytest.mark.parametrize(
    "about",
    [
        {**ABOUT, "layout": 1},
        {**ABOUT, "dtype": "<f2"},
        {**ABOUT, "dtype": "|O8"},
        {**ABOUT, "dtype": ["<f4"]},
        {**ABOUT, "shape": 2},
        {**ABOUT, "shape": "2"},
        {**ABOUT, "shape": [2.0]},
        {**ABOUT, "shape": [True, 2]},
        {**ABOUT, "shape": [-1, -2]},
        {**ABOUT, "shape": [3]},
        {**ABOUT, "shape": [2**40]},
        {**ABOUT, "shape": [1] * 8 + [2]},
        {**ABOUT, "key": "another"},
        {**ABOUT, "more": 1},
        {name: value for name, value in ABOUT.items() if name != "shape"},
        [2],
        b"",
        b"{",
        b"[" * 10_000,
        b"9" * 5_000,
        b'{"key": "' + b"k" * 2**20 + b'"}',
        json.dumps(ABOUT).replace("2]", "2 ]").encode(),
        json.dumps(ABOUT).encode() + b"\r",
    ],
    ids=lambda about: str(about)[:60],
)
def test_no_head_that_says_something_else_is_believed(store, about):
    is_refused_and_written_over(store, entry(about, bytes(8)))


def test_no_shape_that_cannot_be_is_believed(store):
    for shape in ([0, 2**62, 2**62], [2**70, 0], [0, 10**19]):
        is_refused_and_written_over(store, entry({**ABOUT, "shape": shape}))


def test_nothing_is_allocated_for_numbers_that_are_not_there(store, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("allocated")

    monkeypatch.setattr(module.np, "empty", refuse)
    whole = store.path(KEY).read_bytes()
    with pytest.raises(AssertionError, match="allocated"):
        store.load(KEY)
    for content in (whole[:-1], whole + b"\0", entry({**ABOUT, "shape": [2**36]}, bytes(8))):
        is_refused_and_written_over(store, content)


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
    store = ArrayStore(tmp_path / "store")
    store.folder.mkdir()

    def fail(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(name, fail)
        with pytest.warns(UserWarning, match=r"store: nothing can be written there") as caught:
            store.save(KEY, ARRAY)
        store.save(KEY, ARRAY)  # warns no more
    assert os.strerror(number) in str(caught[0].message)
    assert "give memory= another folder" in str(caught[0].message)
    assert files(store) == []
    store.save(KEY, ARRAY)  # space was freed
    assert (store.load(KEY) == ARRAY).all()


def test_a_disk_that_fills_while_an_entry_is_written_leaves_nothing(tmp_path):
    resource = pytest.importorskip("resource")
    store = ArrayStore(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.warns(UserWarning, match="nothing can be written there"):
            store.save(KEY, ARRAY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert files(store) == []


def test_what_cannot_be_opened_is_warned_of_once(store):
    path = store.path(KEY)
    path.unlink()
    path.mkdir()
    with pytest.warns(UserWarning, match="nothing can be read there"):
        assert store.load(KEY) is None
    store.save(KEY, ARRAY)
    assert store.load(KEY) is None
    assert files(store) == [path.name]


def test_a_file_in_place_of_the_folder_is_warned_of(tmp_path):
    (tmp_path / "file").write_text("")
    store = ArrayStore(tmp_path / "file" / "volumes")
    with pytest.warns(UserWarning, match="nothing can be read there"):
        assert store.load(KEY) is None
    store.save(KEY, ARRAY)


# Killed and concurrent writers

_HANG_BEFORE_THE_NAME = """
import sys, time
import numpy as np
from skedema._caching import store

def hang(*args):
    print("writing", flush=True)
    time.sleep(60)

setattr(store.os, sys.argv[2], hang)
store.ArrayStore(sys.argv[1]).save("killed", np.zeros((100, 100), np.float32))
"""


@pytest.mark.parametrize("at", ["fsync", "replace"])
def test_a_killed_writer_leaves_no_entry_and_is_cleared_up_after(store, at):
    command = [sys.executable, "-c", _HANG_BEFORE_THE_NAME, str(store.folder), at]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout.readline() == "writing\n"
        writer.kill()
    assert writer.returncode == -signal.SIGKILL
    assert store.load("killed") is None
    [stray] = store.folder.glob(".*")

    ArrayStore(store.folder).save(KEY, ARRAY)
    assert not stray.exists()
    assert files(store) == [store.path(KEY).name]


def write_and_read(folder, n):
    """Write one entry again and again, and count what is read of it: right, missing, wrong."""
    store = ArrayStore(folder)
    counts = [0, 0, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(n):
            store.save("shared", np.full((40, 40, 40), 3, np.float32))
            found = store.load("shared")
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
        memory = Memory(location, verbose=0)
        store = store_beneath(memory, "volumes")
        assert store.folder == expected
        assert store is store_beneath(Memory(str(tmp_path / "here"), verbose=0), "volumes")
        assert store_beneath(memory, "features").folder == expected.with_name("features")
    assert store_beneath(None, "volumes") is store_beneath(Memory(None), "volumes") is None


def test_a_memory_without_a_folder_is_refused():
    class Elsewhere:
        backend = "s3"

        def cache(self, function):
            return function

    with pytest.raises(ValueError, match=r"does not keep things in a folder. Give the path"):
        store_beneath(Elsewhere(), "volumes")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_nobody_waits_for_a_pipe_in_place_of_an_entry(store):
    path = store.path(KEY)
    path.unlink()
    os.mkfifo(path)
    with pytest.warns(UserWarning, match="is damaged or not made by skedema"):
        assert store.load(KEY) is None
    store.save(KEY, ARRAY)
    assert (store.load(KEY) == ARRAY).all()
