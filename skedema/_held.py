"""A setting of the whole process, held while any thread counts on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any


class Held:
    """Bring a setting to a value while anybody is inside; the last one to leave gives it back.

    Several threads may be inside at the same time: none loses the value when another leaves.

    Parameters
    ----------
    get, set : callable
        Give the setting, and change it.
    value : object
        What it is within.
    """

    def __init__(self, get: Callable[[], Any], set: Callable[[Any], None], value: Any) -> None:
        self._get, self._set, self._value = get, set, value
        self._lock = Lock()
        self._n_inside = 0
        self._outside: Any = None  # of whoever came in first, for whoever goes last

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Hold it."""
        with self._lock:
            if not self._n_inside:
                self._outside = self._get()
            self._n_inside += 1
            self._set(self._value)
        try:
            yield
        finally:
            with self._lock:
                self._n_inside -= 1
                if not self._n_inside:
                    self._set(self._outside)
