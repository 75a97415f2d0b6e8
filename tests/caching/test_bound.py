from __future__ import annotations

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest

from skedema._caching.bound import DEFAULT_MAX_BYTES, Bound, bound_of
from skedema._caching.store import ArrayStore, store_beneath

ARRAY = np.zeros(1000, np.float32)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "skedema"


def store_in(folder, name="volumes"):
    return ArrayStore(folder / name, Bound(folder))


def held(folder):
    return sorted(path.name for path in folder.glob("*/*"))


def n_bytes(folder):
    return sum(path.stat().st_size for path in folder.glob("*/*.array"))


def age(store, keys):
    """Set when entries were used last, in this order."""
    for seconds, key in enumerate(keys):
        os.utime(store.path(key), (10**9 + seconds,) * 2)


def test_it_is_written_in_the_folder_for_all_processes(folder):
    assert Bound(folder).max_bytes == DEFAULT_MAX_BYTES == 20 * 2**30
    for given, found in [(123, 123), (0, 0), (None, math.inf)]:
        Bound(folder).set(given)
        assert Bound(folder).max_bytes == found
    assert bound_of(folder) is bound_of(folder)


@pytest.mark.parametrize("text", ["", "{", "-1", "true", '"5"', "1.5", "[" * 100_000, "\xff"])
def test_a_damaged_bound_is_that_of_a_folder_without(folder, text):
    folder.mkdir()
    (folder / "max_bytes.json").write_text(text, "latin-1")
    assert Bound(folder).max_bytes == DEFAULT_MAX_BYTES


def test_what_was_not_used_for_the_longest_goes_first(folder):
    store = store_in(folder)
    for key in "abcdefgh":
        store.save(key, ARRAY)
    size = n_bytes(folder) // 8
    age(store, "abcdefgh")
    assert store.load("a") is not None  # it is now the newest
    Bound(folder).set(4 * size + size // 2)
    assert [store.load(key) is not None for key in "abcdefgh"] == [True, *[False] * 4, *[True] * 3]
    assert n_bytes(folder) == 4 * size


def test_the_bound_holds_however_much_is_written(folder):
    Bound(folder).set(50_000)
    stores = [store_in(folder, name) for name in ("volumes", "features")]  # as two processes
    for number in range(60):
        stores[number % 2].save(str(number), ARRAY)
        assert n_bytes(folder) <= 50_000 + 2 * (2_500 + 4_200)
    assert [store.load("0") for store in stores] == [None, None]
    assert stores[1].load("59") is not None
    assert n_bytes(folder) > 40_000


def aged(folder, n):
    """A store with n entries of one size, used last in the order of their keys."""
    store, keys = ArrayStore(folder / "volumes"), [f"{k:02}" for k in range(n)]
    for key in keys:
        store.save(key, ARRAY)
    age(store, keys)
    return store, keys, n_bytes(folder) // n


def test_processes_that_make_room_at_once_remove_no_more_than_one_would(folder, monkeypatch):
    store, keys, size = aged(folder, 40)
    unlink = Path.unlink

    def second(path, **kwargs):
        monkeypatch.setattr(Path, "unlink", unlink)
        Bound(folder).set(20 * size)  # another process, once this one has looked
        return path.unlink(**kwargs)

    monkeypatch.setattr(Path, "unlink", second)
    Bound(folder).set(20 * size)
    assert [key for key in keys if store.load(key) is not None] == keys[21:]


def test_files_that_may_not_be_removed_do_not_cost_those_that_may(folder, monkeypatch):
    store, keys, size = aged(folder, 10)
    others = {store.path(key) for key in keys[:5]}
    unlink = Path.unlink

    def sticky(path, **kwargs):
        if path in others:
            raise PermissionError
        unlink(path, **kwargs)

    monkeypatch.setattr(Path, "unlink", sticky)
    Bound(folder).set(7 * size)
    assert n_bytes(folder) == 10 * size  # the four that are due are of others
    own = store_in(folder)
    for number in range(100, 140):
        own.save(str(number), ARRAY)
    assert all(path.exists() for path in others)
    assert 5 * size < n_bytes(folder) - 5 * size <= 8.5 * size
    assert own.load("139") is not None


def test_without_a_bound_everything_stays(folder):
    store = ArrayStore(folder / "volumes")
    Bound(folder).set(10)
    store.save("a", ARRAY)
    assert store.load("a") is not None


def test_a_bound_of_zero_keeps_nothing(folder):
    Bound(folder).set(0)
    store = store_in(folder)
    store.save("a", ARRAY)
    assert held(folder) == []
    assert store.load("a") is None


def test_only_entries_of_caches_go(folder):
    for name in ("volumes/notes.txt", "evaluation/own.array", "own.array"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x" * 100)
    store_in(folder).save("a", ARRAY)
    Bound(folder).set(0)
    assert held(folder) == ["notes.txt", "own.array"]
    assert (folder / "own.array").exists()


def test_what_cannot_be_removed_or_touched_costs_nothing(folder, monkeypatch):
    store = store_in(folder)
    store.save("a", ARRAY)

    def refuse(*args, **kwargs):
        raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.unlink", refuse)
        patch.setattr("os.utime", refuse)
        Bound(folder).set(0)
        store.save("b", ARRAY)
        assert store.load("a") is not None


def test_stores_beneath_a_memory_share_its_bound(tmp_path):
    (tmp_path / "skedema").mkdir()
    (tmp_path / "skedema" / "max_bytes.json").write_text(json.dumps(0))
    store = store_beneath(tmp_path, "volumes")
    store.save("a", ARRAY)
    assert store.load("a") is None
