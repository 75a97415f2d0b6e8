"""A thing that goes to several processes of this machine: pickled once, its arrays held once."""

from __future__ import annotations

import mmap
import os
import pickle
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import cloudpickle
from joblib.externals.loky.backend import resource_tracker

_LARGE = 2**20  # bytes of arrays that are worth a file; as in joblib
_ALIGNED = 64

_opened: tuple[str, Any] = "", None


@dataclass(frozen=True)
class Shipped:
    """What a process that is given it opens.

    Attributes
    ----------
    pickled : bytes
        All but large arrays.
    path : str
        The file of these; empty where there are none.
    places : list of (int, int)
        Where each of them begins in the file, and how many bytes it has.
    """

    pickled: bytes
    path: str
    places: list[tuple[int, int]]

    def open(self) -> Any:
        """Give the thing. Its large arrays are read-only, and in memory once for all processes."""
        global _opened
        if not self.path:
            return pickle.loads(self.pickled)
        if _opened[0] != self.path:
            with open(self.path, "rb") as file:
                whole = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            parts = [whole[start : start + size] for start, size in self.places]
            _opened = self.path, pickle.loads(self.pickled, buffers=parts)
        return _opened[1]


@contextmanager
def shipped(thing: Any) -> Iterator[Shipped]:
    """Make a thing ready for other processes, for as long as they may open it."""
    arrays: list[pickle.PickleBuffer] = []
    pickled = cloudpickle.dumps(thing, protocol=5, buffer_callback=arrays.append)
    raw = [array.raw() for array in arrays]
    if sum(part.nbytes for part in raw) < _LARGE:
        yield Shipped(cloudpickle.dumps(thing, protocol=5), "", [])
        return
    handle, path = tempfile.mkstemp(prefix="skedema-")
    # A process of loky deletes it where this one is killed.
    resource_tracker.register(path, "file")
    try:
        try:
            with os.fdopen(handle, "wb") as file:
                given = Shipped(pickled, path, [_written(file, part) for part in raw])
        except OSError:  # no room: each process has arrays of its own
            os.truncate(path, 0)  # others need what room there is
            given = Shipped(cloudpickle.dumps(thing, protocol=5), "", [])
        yield given
    finally:
        resource_tracker.maybe_unlink(path, "file")


def _written(file: Any, part: memoryview) -> tuple[int, int]:
    file.write(bytes(-file.tell() % _ALIGNED))
    start = file.tell()
    file.write(part)
    return start, part.nbytes
