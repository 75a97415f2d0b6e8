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

    Where somebody else handles SIGINT, and in threads, which are never interrupted, it is False.
    """
    came = []

    def handle(number: int, frame: Any) -> None:
        came.append(number)
        signal.default_int_handler(number, frame)

    is_ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if is_ours:
        signal.signal(signal.SIGINT, handle)
    try:
        yield lambda: bool(came)
    finally:
        if is_ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
