"""Values that are made once: kept in memory, and in a folder where one is given."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import Any, Generic, Protocol, TypeVar
from weakref import WeakSet

from skedema._caching.store import store_beneath


class HasSize(Protocol):
    """Anything that tells its size as arrays do."""

    @property
    def nbytes(self) -> int: ...


K = TypeVar("K", bound=Hashable)
T = TypeVar("T", bound=HasSize)


_keeps: ContextVar[bool] = ContextVar("keeps", default=True)


@contextmanager
def kept_nowhere() -> Iterator[None]:
    """Have no cache keep what is made within, in this thread, neither in memory nor on disk."""
    token = _keeps.set(False)
    try:
        yield
    finally:
        _keeps.reset(token)


def _same(value: Any) -> Any:
    return value


def _always(*_: object) -> bool:
    return True


class Cache(Generic[T]):
    """Values by key, each made once whoever asks for it.

    In memory the least recently used are dropped first. Where a call names the folder of a
    `memory`, values are in files there as well (`ArrayStore`), for other processes and later runs.

    Safe to use from several threads. A pickled cache comes back empty.

    Parameters
    ----------
    name : str
        What is kept, such as "volumes": files lie in ``skedema/<name>`` of the folder.
    version : int
        Raised when the same key is to give other numbers: earlier files are then not looked at.
    max_bytes : int
        Bytes of values to keep in memory. A value that is larger is not kept there.
    on_disk : callable, default=the key itself
        From a key to numbers and texts that tell the same in other processes and later. They are
        of what the key told when it was made, whatever that has become since.
    pack, unpack : callable, default=the value itself
        From a value to an array and back; None is an array that makes none.

    Examples
    --------
    >>> import numpy as np
    >>> from skedema._caching.cache import Cache
    >>> cache = Cache("numbers", version=1, max_bytes=100)
    >>> cache.get("a", lambda: np.arange(4.0))
    array([0., 1., 2., 3.])
    >>> cache.get("a", lambda: np.zeros(4))
    array([0., 1., 2., 3.])
    >>> len(cache), cache.nbytes
    (1, 32)
    """

    def __init__(
        self,
        name: str,
        version: int,
        max_bytes: int,
        on_disk: Callable[[Any], Hashable] = _same,
        pack: Callable[[T], Any] = _same,
        unpack: Callable[[Any], T | None] = _same,
    ) -> None:
        self.name = name
        self.version = version
        self.max_bytes = max_bytes
        self._on_disk, self._pack, self._unpack = on_disk, pack, unpack
        self._values: OrderedDict[Hashable, T] = OrderedDict()
        self._pending: dict[Hashable, Future[tuple[T, bool]]] = {}
        self._nbytes = 0
        # The state of the folder in which the entry of a value that is held was seen.
        self._seen: dict[Hashable, tuple[int, ...]] = {}
        self._lock = Lock()
        CACHES.add(self)

    @property
    def nbytes(self) -> int:
        """Bytes of values held now."""
        return self._nbytes

    def peek(self, key: Hashable) -> T | None:
        """Give a value that is held in memory, which then counts as used; None for others."""
        with self._lock:
            return self._held(key)

    def find(self, keys: Collection[K], memory: Any = None) -> dict[K, T]:
        """Give the values that are held, or on disk, and have them in both places from then on."""
        found = {}
        with self._lock:
            for key in keys:
                if key in self._values:  # each prediction asks for hundreds
                    self._values.move_to_end(key)
                    found[key] = self._values[key]
        store = self._store(memory)
        if store is None:
            return found
        state = store.state()
        for key in keys:
            if key in found:  # made where no memory was given, or its entry is gone
                if self._seen.get(key) != state and self.bring(key, found[key], memory):
                    with self._lock:
                        if key in self._values:  # it may be dropped by now
                            self._seen[key] = state
            elif (value := self._load(key, memory)) is not None:
                self.put(key, value)
                found[key] = value
        return found

    def known(self, keys: Collection[K], memory: Any = None) -> set[K]:
        """Tell of which keys the values are held, or on disk, without loading any."""
        with self._lock:
            held = {key for key in keys if key in self._values}
        store = self._store(memory)
        if store is None:
            return held
        return held | {key for key in keys if key not in held and self.stored_key(key) in store}

    def put(self, key: Hashable, value: T, memory: Any = None) -> None:
        """Keep a value in memory, where a first one of that key stays, and on disk.

        It is shared by all who ask for it, so it must not change any more.
        """
        with self._lock:
            self._hold(key, value)
        self._save(key, value, memory)

    def bring(self, key: Hashable, value: T, memory: Any) -> bool:
        """Have a value on disk, not in memory, and say whether there was an entry, which stays."""
        store = self._store(memory)
        if store is None:
            return False
        name = self.stored_key(key)
        is_there = name in store
        if not is_there:
            store.save(name, self._pack(value))
        return is_there

    def get(
        self,
        key: Hashable,
        make: Callable[[], T],
        memory: Any = None,
        *,
        keep: bool = True,
        lasts: Callable[[], bool] = _always,
        fits: Callable[[T], bool] = _always,
    ) -> T:
        """Give the value of a key, making it if need be.

        While one thread makes it, others that ask for the same key wait for it. Nothing is locked
        meanwhile: `make` may itself ask for other keys.

        Parameters
        ----------
        key : hashable
            Its key.
        make : callable without parameters
            Gives the value. What it raises reaches all who wait, and nothing is kept.
        memory : str, path, joblib.Memory or None, default=None
            Where values are also on disk.
        keep : bool, default=True
            Whether to keep in memory a value that was not held there.
        lasts : callable without parameters
            Asked when the value was made: whether the key still tells what it was made of. If not,
            it is given and kept nowhere.
        fits : callable
            Whether a value from the disk can be right.

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
            mine: Future[tuple[T, bool]] = Future()
            if pending is None:
                self._pending[key] = mine
        if pending is not None:
            value, lasting = pending.result()
            if keep and lasting:  # who made it might not
                self.put(key, value)
            return value
        try:
            value, lasting = self._load(key, memory), True
            if value is None or not fits(value):
                value = make()
                lasting = lasts()
                self._save(key, value, memory if lasting else None)
            if keep and lasting:
                self.put(key, value)
        except BaseException as error:
            with self._lock:
                del self._pending[key]
            mine.set_exception(error)
            raise
        with self._lock:
            del self._pending[key]
        mine.set_result((value, lasting))
        return value

    def clear(self) -> None:
        """Forget all values in memory."""
        with self._lock:
            self._values.clear()
            self._seen.clear()
            self._nbytes = 0

    def stored_key(self, key: Hashable) -> str:
        """Give the text by which a value is known on disk."""
        return ascii((self.version, self._on_disk(key)))

    def _load(self, key: Hashable, memory: Any) -> T | None:
        store = self._store(memory)
        array = None if store is None else store.load(self.stored_key(key))
        return None if array is None else self._unpack(array)

    def _save(self, key: Hashable, value: T, memory: Any) -> None:
        store = self._store(memory)
        if store is not None:
            store.save(self.stored_key(key), self._pack(value))

    def _store(self, memory: Any) -> Any:
        return store_beneath(memory, self.name) if _keeps.get() else None

    def _held(self, key: Hashable) -> T | None:
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        return self._values[key]

    def _hold(self, key: Hashable, value: T) -> None:
        if value.nbytes > self.max_bytes or key in self._values or not _keeps.get():
            return
        self._values[key] = value
        self._nbytes += value.nbytes
        while self._nbytes > self.max_bytes:
            gone, dropped = self._values.popitem(last=False)
            self._seen.pop(gone, None)
            self._nbytes -= dropped.nbytes

    def __len__(self) -> int:
        return len(self._values)

    def __reduce__(self) -> tuple[Any, ...]:
        functions = (self._on_disk, self._pack, self._unpack)
        return type(self), (self.name, self.version, self.max_bytes, *functions)


#: Those of this process.
CACHES: WeakSet[Cache[Any]] = WeakSet()
