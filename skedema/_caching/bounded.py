"""Things kept in memory up to a number of bytes, each made once whoever asks for it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock
from typing import Generic, Protocol, TypeVar


class HasSize(Protocol):
    """Anything that tells its size as arrays do."""

    @property
    def nbytes(self) -> int: ...


T = TypeVar("T", bound=HasSize)


class BoundedCache(Generic[T]):
    """Arrays, or what tells its size as they do, by key, the least recently used dropped first.

    Safe to use from several threads. A pickled cache comes back empty.

    Parameters
    ----------
    max_bytes : int
        Bytes of values to keep. A value that is larger is not kept.

    Examples
    --------
    >>> import numpy as np
    >>> cache = BoundedCache(max_bytes=100)
    >>> cache.get("a", lambda: np.arange(4.0))
    array([0., 1., 2., 3.])
    >>> cache.get("a", lambda: np.zeros(4))
    array([0., 1., 2., 3.])
    >>> len(cache), cache.nbytes
    (1, 32)
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._values: OrderedDict[Hashable, T] = OrderedDict()
        self._pending: dict[Hashable, Future[T]] = {}
        self._nbytes = 0
        self._lock = Lock()

    @property
    def nbytes(self) -> int:
        """Bytes of values held now."""
        return self._nbytes

    def peek(self, key: Hashable) -> T | None:
        """Give a value that is held; it then counts as used.

        Parameters
        ----------
        key : hashable
            Its key.

        Returns
        -------
        array or None
            None where it is not held.
        """
        with self._lock:
            return self._held(key)

    def put(self, key: Hashable, value: T) -> None:
        """Keep a value, unless there is one of that key, or it is larger than the cache.

        Parameters
        ----------
        key : hashable
            Its key.
        value : array
            Shared by all who ask for it, so it must not change any more.
        """
        with self._lock:
            self._keep(key, value)

    def get(self, key: Hashable, make: Callable[[], T], *, keep: bool = True) -> T:
        """Give the value of a key, making it if need be.

        While one thread makes it, others that ask for the same key wait for it. Nothing is locked
        meanwhile: `make` may itself ask for other keys.

        Parameters
        ----------
        key : hashable
            Its key.
        make : callable without parameters
            Gives the value. What it raises reaches all who wait, and nothing is kept.
        keep : bool, default=True
            Whether to keep a value that had to be made.

        Returns
        -------
        array
            The value, shared.
        """
        with self._lock:
            value = self._held(key)
            if value is not None:
                return value
            pending = self._pending.get(key)
            mine: Future[T] = Future()
            if pending is None:
                self._pending[key] = mine
        if pending is not None:
            value = pending.result()
            if keep:  # who made it might not
                self.put(key, value)
            return value
        try:
            value = make()
            if keep:
                self.put(key, value)
        except BaseException as error:
            with self._lock:
                del self._pending[key]
            mine.set_exception(error)
            raise
        with self._lock:
            del self._pending[key]
        mine.set_result(value)
        return value

    def clear(self) -> None:
        """Forget all values."""
        with self._lock:
            self._values.clear()
            self._nbytes = 0

    def _held(self, key: Hashable) -> T | None:
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        return self._values[key]

    def _keep(self, key: Hashable, value: T) -> None:
        if value.nbytes > self.max_bytes or key in self._values:
            return
        self._values[key] = value
        self._nbytes += value.nbytes
        while self._nbytes > self.max_bytes:
            _, dropped = self._values.popitem(last=False)
            self._nbytes -= dropped.nbytes

    def __len__(self) -> int:
        return len(self._values)

    def __reduce__(self) -> tuple[type[BoundedCache[T]], tuple[int]]:
        return type(self), (self.max_bytes,)
