from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from skedema._threads import one_thread


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
