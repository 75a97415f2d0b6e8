"""Small networks on one thread: as fast as on several, and one result for any number of cores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock, local
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")

_lock = Lock()
_inside = 0
_outside = 1  # threads of whoever came in first, for whoever goes last
_this_thread = local()


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute with one thread, and afterwards with as many as before.

    How many threads share a product decides its last bits, so that a fold that is fitted in a
    worker process, which has a part of the cores, would differ from one that is fitted without.

    It may be entered by several Python threads at the same time. The number of threads is partly
    the process's and partly each Python thread's own; it is given back by the last one to leave.
    """
    global _inside, _outside
    with _lock:
        if not _inside and not getattr(_this_thread, "left_early", False):
            _outside = torch.get_num_threads()
        _inside += 1
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            _this_thread.left_early = bool(_inside)
            if not _inside:
                torch.set_num_threads(_outside)


def side_by_side(function: Callable[[T], R], parts: Sequence[T]) -> list[R]:
    """Apply a function to each part, in as many Python threads as torch has threads.

    Within each thread torch computes with one, so that how many there are changes no bit.
    """

    def alone(part: T) -> R:
        with one_thread():
            return function(part)

    n_threads = min(torch.get_num_threads(), len(parts))
    with one_thread():  # who comes in first goes last: the threads' number is the caller's
        if n_threads <= 1:
            return [function(part) for part in parts]
        with ThreadPoolExecutor(n_threads) as pool:
            return list(pool.map(alone, parts))
