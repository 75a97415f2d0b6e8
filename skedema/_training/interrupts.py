"""A user's Ctrl-C, told from the KeyboardInterrupt by which callbacks end a training."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def interrupts() -> Iterator[Callable[[], bool]]:
    """Give what tells whether the user has interrupted since.

    In threads, which are never interrupted, it is False.
    """
    came = []

    def handle(number: int, frame: Any) -> None:
        came.append(number)
        before(number, frame)

    before: Any = signal.getsignal(signal.SIGINT)
    is_main = threading.current_thread() is threading.main_thread()
    if is_heard := is_main and callable(before):
        signal.signal(signal.SIGINT, handle)
    try:
        yield lambda: bool(came)
    finally:
        if is_heard:
            signal.signal(signal.SIGINT, before)
