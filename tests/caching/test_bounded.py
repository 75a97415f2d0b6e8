from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import numpy as np
import pytest

from skedema._caching.bounded import BoundedCache


class Data(bytes):
    """Bytes that tell their size as arrays do."""

    nbytes = property(len)


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
    cache = BoundedCache(100)
    assert cache.get("key", lambda: value) is value
    assert cache.get("key", refuse) is cache.peek("key") is value
    assert len(cache) == 1
    assert cache.nbytes == value.nbytes
    assert cache.max_bytes == 100


def test_what_is_not_held_is_none():
    assert BoundedCache(100).peek("key") is None


def test_empty_values_are_values():
    cache = BoundedCache(0)
    cache.put("key", Data(b""))
    assert cache.get("key", refuse) == b""


def test_the_first_value_of_a_key_stays():
    cache = BoundedCache(100)
    cache.put("key", Data(b"first"))
    cache.put("key", Data(b"second"))
    assert (cache.peek("key"), len(cache), cache.nbytes) == (b"first", 1, 5)


@pytest.mark.parametrize("use", [BoundedCache.peek, lambda cache, key: cache.get(key, refuse)])
def test_the_least_recently_used_value_goes_first(use):
    cache = BoundedCache(25)
    cache.put("a", Data(10))
    cache.put("b", Data(10))
    use(cache, "a")
    cache.put("c", Data(10))
    assert cache.nbytes == 20
    assert [cache.peek(key) is not None for key in "abc"] == [True, False, True]
    cache.put("d", Data(25))
    assert (len(cache), cache.nbytes) == (1, 25)


def test_a_value_larger_than_the_cache_is_given_and_drops_no_other():
    cache = BoundedCache(25)
    cache.put("a", Data(10))
    make = Maker()
    small = BoundedCache(9)
    assert small.get("key", make) == small.get("key", make) == bytes(10)
    assert (make.calls, len(small), small.nbytes) == (2, 0, 0)
    cache.put("b", Data(26))
    assert (len(cache), cache.nbytes) == (1, 10)


def test_a_smaller_bound_holds_from_the_next_value_on():
    cache = BoundedCache(100)
    for key in "abcde":
        cache.put(key, Data(10))
    cache.max_bytes = 20
    cache.put("f", Data(10))
    assert cache.nbytes == 20
    assert cache.peek("f") is not None


def test_a_stream_that_is_not_to_be_kept_drops_nothing():
    cache, make = BoundedCache(20), Maker()
    cache.put("held", Data(b"held"))
    for key in range(5):
        assert cache.get(key, make, keep=False) == bytes(10)
    assert (make.calls, len(cache), cache.nbytes) == (5, 1, 4)
    assert cache.get("held", refuse, keep=False) == b"held"
    assert cache.peek("held") == b"held"


def test_clear_forgets():
    cache = BoundedCache(100)
    cache.put("key", Data(b"value"))
    cache.clear()
    assert (len(cache), cache.nbytes, cache.peek("key")) == (0, 0, None)
    assert cache.get("key", lambda: Data(b"anew")) == b"anew"


def test_a_pickled_cache_comes_back_empty_with_its_bound():
    cache = BoundedCache(12345)
    cache.put("key", Data(10_000))
    assert len(pickle.dumps(cache)) < 200
    again = pickle.loads(pickle.dumps(cache))
    assert (again.max_bytes, len(again), again.nbytes) == (12345, 0, 0)
    assert again.get("key", lambda: Data(b"anew")) == b"anew"


def test_threads_that_ask_at_once_share_one_making():
    cache, barrier = BoundedCache(1000), Barrier(8)
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
    cache, error = BoundedCache(100), ValueError("cannot be made")
    for future in ask_twice(cache, Gate(error), True, True):
        assert future.exception() is error
    assert (len(cache), cache.nbytes) == (0, 0)
    assert cache.get("key", lambda: Data(b"mended")) == b"mended"


def test_a_value_that_does_not_tell_its_size_is_an_error_and_nobody_waits_for_ever():
    cache = BoundedCache(100)
    for _ in range(2):
        with pytest.raises(AttributeError, match="nbytes"):
            cache.get("key", lambda: "text")
    assert cache.get("key", lambda: Data(b"mended")) == b"mended"


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("second", [True, False])
def test_a_value_is_kept_if_one_of_those_who_asked_wants_it(first, second):
    cache = BoundedCache(100)
    one, two = ask_twice(cache, Gate(Data(b"value")), first, second)
    assert one.result() is two.result()
    assert len(cache) == (first or second)


def test_making_may_use_the_cache_itself():
    cache = BoundedCache(100)

    def outer():
        cache.put("third", Data(b"3"))
        return Data(cache.get("inner", lambda: Data(b"1")) + b"2")

    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(cache.get, "outer", outer) for _ in range(4)]
        assert {answer.result(timeout=10) for answer in answers} == {b"12"}
    assert len(cache) == 3


def test_many_threads_never_hold_more_than_the_bound_nor_give_another_value():
    cache = BoundedCache(50)

    def ask(seed):
        keys = np.random.default_rng(seed).integers(0, 12, 500).tolist()
        for key in keys:
            assert cache.get(key, lambda key=key: Data([key] * 10), keep=key % 3 > 0)[0] == key
            assert cache.nbytes <= 60  # one may be on its way out
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(ask, range(4)))
    assert cache.nbytes == 10 * len(cache) <= 50
