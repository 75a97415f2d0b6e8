from __future__ import annotations

import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import numpy as np
import pytest

from skedema._caching.cache import Cache, kept_nowhere
from skedema._caching.store import ArrayStore, store_beneath


class Data(bytes):
    """Bytes that tell their size as arrays do."""

    nbytes = property(len)


def in_memory(max_bytes):
    return Cache("data", 1, max_bytes)


class Maker:
    """Makes ten bytes and counts how often."""

    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return Data(10)


def refuse():
    raise AssertionError("made")


@pytest.mark.parametrize("value", [Data(b"12345678"), np.ones(2), np.ones((2, 1), np.float32)])
def test_a_value_is_made_once_and_shared(value):
    cache = in_memory(100)
    assert cache.get("key", lambda: value) is value
    assert cache.get("key", refuse) is cache.peek("key") is value
    assert len(cache) == 1
    assert cache.nbytes == value.nbytes
    assert cache.max_bytes == 100


def test_what_is_not_held_is_none():
    assert in_memory(100).peek("key") is None


def test_empty_values_are_values():
    cache = in_memory(0)
    cache.put("key", Data(b""))
    assert cache.get("key", refuse) == b""


def test_the_first_value_of_a_key_stays():
    cache = in_memory(100)
    cache.put("key", Data(b"first"))
    cache.put("key", Data(b"second"))
    assert (cache.peek("key"), len(cache), cache.nbytes) == (b"first", 1, 5)


@pytest.mark.parametrize(
    "use",
    [
        Cache.peek,
        lambda cache, key: cache.find([key]),
        lambda cache, key: cache.get(key, refuse),
    ],
)
def test_the_least_recently_used_value_goes_first(use):
    cache = in_memory(25)
    cache.put("a", Data(10))
    cache.put("b", Data(10))
    use(cache, "a")
    cache.put("c", Data(10))
    assert cache.nbytes == 20
    assert [cache.peek(key) is not None for key in "abc"] == [True, False, True]
    cache.put("d", Data(25))
    assert (len(cache), cache.nbytes) == (1, 25)


def test_a_value_larger_than_the_cache_is_given_and_drops_no_other():
    cache = in_memory(25)
    cache.put("a", Data(10))
    make = Maker()
    small = in_memory(9)
    assert small.get("key", make) == small.get("key", make) == bytes(10)
    assert (make.calls, len(small), small.nbytes) == (2, 0, 0)
    cache.put("b", Data(26))
    assert (len(cache), cache.nbytes) == (1, 10)


def test_a_smaller_bound_holds_from_the_next_value_on():
    cache = in_memory(100)
    for key in "abcde":
        cache.put(key, Data(10))
    cache.max_bytes = 20
    cache.put("f", Data(10))
    assert cache.nbytes == 20
    assert cache.peek("f") is not None


def test_a_stream_that_is_not_to_be_kept_drops_nothing():
    cache, make = in_memory(20), Maker()
    cache.put("held", Data(b"held"))
    for key in range(5):
        assert cache.get(key, make, keep=False) == bytes(10)
    assert (make.calls, len(cache), cache.nbytes) == (5, 1, 4)
    assert cache.get("held", refuse, keep=False) == b"held"
    assert cache.peek("held") == b"held"


def test_clear_forgets():
    cache = in_memory(100)
    cache.put("key", Data(b"value"))
    cache.clear()
    assert (len(cache), cache.nbytes, cache.peek("key")) == (0, 0, None)
    assert cache.get("key", lambda: Data(b"anew")) == b"anew"


def test_a_pickled_cache_comes_back_empty_with_its_bound():
    cache = in_memory(12345)
    cache.put("key", Data(10_000))
    assert len(pickle.dumps(cache)) < 200
    again = pickle.loads(pickle.dumps(cache))
    assert (again.max_bytes, len(again), again.nbytes) == (12345, 0, 0)
    assert again.get("key", lambda: Data(b"anew")) == b"anew"


def test_threads_that_ask_at_once_share_one_making():
    cache, barrier = in_memory(1000), Barrier(8)
    makers = [Maker() for _ in range(20)]

    def ask(_):
        barrier.wait()
        return [cache.get(key, make) for key, make in enumerate(makers)]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))
    assert [make.calls for make in makers] == [1] * 20
    assert all(a is b for answer in answers for a, b in zip(answer, answers[0], strict=True))


class Gate:
    """Makes a value when told to, so that others wait for it meanwhile."""

    def __init__(self, value):
        self.value, self.begun, self.go_on = value, Event(), Event()

    def __call__(self):
        self.begun.set()
        assert self.go_on.wait(10)
        if isinstance(self.value, BaseException):
            raise self.value
        return self.value


def ask_twice(cache, gate, first, second):
    """Ask for a key, and again in another thread while it is being made; gives both futures."""
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(cache.get, "key", gate, keep=first)
        assert gate.begun.wait(10)
        waiting = Event()
        pending = cache._pending["key"]
        result = pending.result
        pending.result = lambda: waiting.set() or result()
        two = pool.submit(cache.get, "key", refuse, keep=second)
        assert waiting.wait(10)
        gate.go_on.set()
    return one, two


def test_an_error_reaches_all_who_wait_and_nothing_is_kept():
    cache, error = in_memory(100), ValueError("cannot be made")
    for future in ask_twice(cache, Gate(error), True, True):
        assert future.exception() is error
    assert (len(cache), cache.nbytes) == (0, 0)
    assert cache.get("key", lambda: Data(b"mended")) == b"mended"


def test_a_value_that_does_not_tell_its_size_is_an_error_and_nobody_waits_for_ever():
    cache = in_memory(100)
    for _ in range(2):
        with pytest.raises(AttributeError, match="nbytes"):
            cache.get("key", lambda: "text")
    assert cache.get("key", lambda: Data(b"mended")) == b"mended"


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("second", [True, False])
def test_a_value_is_kept_if_one_of_those_who_asked_wants_it(first, second):
    cache = in_memory(100)
    one, two = ask_twice(cache, Gate(Data(b"value")), first, second)
    assert one.result() is two.result()
    assert len(cache) == (first or second)


def test_making_may_use_the_cache_itself():
    cache = in_memory(100)

    def outer():
        cache.put("third", Data(b"3"))
        return Data(cache.get("inner", lambda: Data(b"1")) + b"2")

    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(cache.get, "outer", outer) for _ in range(4)]
        assert {answer.result(timeout=10) for answer in answers} == {b"12"}
    assert len(cache) == 3


def test_many_threads_never_hold_more_than_the_bound_nor_give_another_value():
    cache = in_memory(50)

    def ask(seed):
        keys = np.random.default_rng(seed).integers(0, 12, 500).tolist()
        for key in keys:
            assert cache.get(key, lambda key=key: Data([key] * 10), keep=key % 3 > 0)[0] == key
            assert cache.nbytes <= 60  # one may be on its way out
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(ask, range(4)))
    assert cache.nbytes == 10 * len(cache) <= 50


# On disk


def halves(value):
    return value / 2


def doubles(array):
    return None if array.ndim == 2 else array * 2


def on_disk(version=1, name="numbers"):
    """A cache as another process would have it."""
    return Cache(name, version, 1000, str.lower, halves, doubles)


VALUE = np.arange(3.0)


def test_a_value_on_disk_is_found_by_other_caches(tmp_path):
    on_disk().put("Key", VALUE, tmp_path)
    for find in (
        lambda cache: cache.find(["KEY"], tmp_path)["KEY"],
        lambda cache: cache.get("KEY", refuse, tmp_path),
    ):
        cache = on_disk()
        assert cache.peek("KEY") is None
        value = find(cache)
        assert (value == VALUE).all()
        assert cache.peek("KEY") is value
    assert on_disk().find(["KEY"]) == {}
    assert on_disk().find(["other"], tmp_path) == {}
    assert [path.parent.name for path in tmp_path.rglob("*.array")] == ["numbers"]


def test_a_value_made_without_a_memory_is_brought_to_one_once(tmp_path, monkeypatch):
    cache = on_disk()
    cache.put("key", VALUE)
    assert (cache.find(["key"], tmp_path)["key"] == VALUE).all()
    assert (on_disk().find(["key"], tmp_path)["key"] == VALUE).all()
    monkeypatch.setattr(ArrayStore, "save", lambda *_: refuse())
    cache.find(["key"], tmp_path)
    later = on_disk()
    for _ in range(2):
        later.find(["key"], tmp_path)


def test_a_held_value_is_brought_again_where_its_entry_is_gone(tmp_path):
    cache = on_disk()
    for key in "ab":
        cache.put(key, VALUE, tmp_path)
    for _ in range(3):
        cache.find(["a", "b"], tmp_path)
    store_beneath(tmp_path, "numbers").path(cache.stored_key("a")).unlink()
    cache.find(["a", "b"], tmp_path)
    assert list(on_disk().find(["a", "b"], tmp_path)) == ["a", "b"]
    cache.find(["a", "b"], tmp_path)
    shutil.rmtree(tmp_path / "skedema")
    cache.find(["a", "b"], tmp_path)
    assert list(on_disk().find(["a", "b"], tmp_path)) == ["a", "b"]
    cache.find(["a"], tmp_path / "other")
    assert list(on_disk().find(["a", "b"], tmp_path / "other")) == ["a"]


def test_a_value_that_could_not_be_written_is_written_once_there_is_room(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    cache = on_disk()
    with monkeypatch.context() as patch:
        patch.setattr("skedema._caching.store.write_whole", full)
        with pytest.warns(UserWarning, match="No space left"):
            cache.put("key", VALUE, tmp_path)
        cache.find(["key"], tmp_path)
    cache.find(["key"], tmp_path)
    assert "key" in on_disk().find(["key"], tmp_path)


def test_entries_of_values_that_are_held_are_not_looked_at_while_the_folder_stays(
    tmp_path, monkeypatch
):
    cache = on_disk()
    keys = list("abc")
    for key in keys:
        cache.put(key, VALUE, tmp_path)
    cache.find(keys, tmp_path)
    monkeypatch.setattr(ArrayStore, "path", lambda *_: refuse())
    assert list(cache.find(keys, tmp_path)) == keys


def test_what_is_remembered_of_entries_goes_with_the_values(tmp_path):
    cache = Cache("numbers", 1, 2 * VALUE.nbytes)
    for key in range(10):
        cache.put(key, VALUE, tmp_path)
        cache.find(range(10), tmp_path)
    assert len(cache._seen) <= len(cache) == 2
    cache.clear()
    assert len(cache._seen) == 0


def test_another_version_or_name_is_told_apart(tmp_path):
    on_disk().put("key", VALUE, tmp_path)
    assert on_disk(version=2).find(["key"], tmp_path) == {}
    assert on_disk(name="others").find(["key"], tmp_path) == {}


def test_what_is_made_is_kept_on_disk_also_where_it_is_not_held(tmp_path):
    cache = on_disk()
    cache.get("key", lambda: VALUE, tmp_path, keep=False)
    assert len(cache) == 0
    assert (cache.get("key", refuse, tmp_path, keep=False) == VALUE).all()


def test_a_value_whose_key_tells_something_else_by_now_is_given_and_kept_nowhere(tmp_path):
    cache, asked = on_disk(), []

    def lasts():
        asked.append(len(cache))
        return False

    assert cache.get("key", lambda: VALUE, tmp_path, lasts=lasts) is VALUE
    assert asked == [0]
    assert (len(cache), list(tmp_path.iterdir())) == (0, [])


@pytest.mark.parametrize("array", [np.zeros((2, 2)), np.zeros(5)])
def test_an_entry_that_makes_no_value_or_an_unfit_one_is_made_anew_and_mended(tmp_path, array):
    store = store_beneath(tmp_path, "numbers")
    store.save(on_disk().stored_key("key"), array)
    cache = on_disk()
    value = cache.get("key", lambda: VALUE, tmp_path, fits=lambda value: value.shape == (3,))
    assert value is cache.peek("key") is VALUE
    assert (store.load(cache.stored_key("key")) == VALUE / 2).all()


def test_a_folder_that_may_not_be_written_to_costs_a_warning(tmp_path):
    (tmp_path / "skedema").write_text("in the way")
    cache = on_disk(name="in-the-way")
    with pytest.warns(UserWarning, match="nothing can be"):
        assert cache.get("key", lambda: VALUE, tmp_path) is VALUE
    assert cache.peek("key") is VALUE


def test_a_pickled_cache_still_finds_what_is_on_disk(tmp_path):
    cache = on_disk()
    cache.put("key", VALUE, tmp_path)
    again = pickle.loads(pickle.dumps(cache))
    assert len(again) == 0
    assert (again.find(["key"], tmp_path)["key"] == VALUE).all()


def test_nothing_is_kept_where_nothing_is_to_be(tmp_path):
    cache = in_memory(100)
    with kept_nowhere():
        assert cache.get("a", lambda: Data(b"made"), tmp_path) == b"made"
        cache.put("b", Data(b"put"), tmp_path)
    assert (len(cache), cache.nbytes) == (0, 0)
    assert not list(tmp_path.iterdir())
    cache.put("a", Data(b"made"))
    with kept_nowhere():
        assert cache.get("a", refuse) == b"made"
