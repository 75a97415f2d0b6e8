from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from skedema._threads import one_thread, side_by_side


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_one_thread_within_and_as_many_as_before_afterwards():
    with one_thread():
        assert torch.get_num_threads() == 1
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2


def test_an_error_gives_the_threads_back():
    with pytest.raises(KeyError), one_thread():
        raise KeyError
    assert torch.get_num_threads() == 2


def test_python_threads_that_overlap_give_back_what_the_first_found():
    within: list[int] = []

    def enter(n: int) -> None:
        for turn in range(10):
            with one_thread():
                within.append(torch.get_num_threads())
                time.sleep(0.001 * ((n + turn) % 3))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(enter, range(8)))
    assert set(within) == {1}
    assert torch.get_num_threads() == 2
    seen = []
    fresh = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    fresh.start()
    fresh.join()
    assert seen == [2]  # what new threads begin with


def test_parts_are_done_side_by_side_with_one_thread_of_torch_each():
    meeting = threading.Barrier(2, timeout=60)  # passed by two at the same time only

    def within(part: int) -> tuple[int, int]:
        meeting.wait()
        return part, torch.get_num_threads()

    assert side_by_side(within, range(4)) == [(part, 1) for part in range(4)]
    assert torch.get_num_threads() == 2


def test_parts_are_done_in_this_thread_where_torch_has_one():
    torch.set_num_threads(1)
    assert side_by_side(lambda _: threading.get_ident(), range(3)) == [threading.get_ident()] * 3


def test_an_error_in_one_part_is_raised_and_gives_the_threads_back():
    with pytest.raises(ZeroDivisionError):
        side_by_side(lambda part: 1 // part, [2, 1, 0])
    assert torch.get_num_threads() == 2
