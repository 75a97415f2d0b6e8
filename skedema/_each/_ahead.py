"""One step ahead of whoever asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def one_ahead(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Call a function with each item; gives a result while a thread is at the next one."""
    with ThreadPoolExecutor(1) as thread:
        due = [thread.submit(function, item) for item in items[:1]]
        for following in [*items[1:], None]:
            result = due.pop().result()
            if following is not None:
                due.append(thread.submit(function, following))
            yield result
