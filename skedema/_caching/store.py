"""Arrays on disk: verified when they are read, whole or not there, never unpickled."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from functools import lru_cache
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skedema._caching.bound import Bound, bound_of
from skedema._caching.digest import DIGEST_SIZE, digest, raw_digest
from skedema._caching.memory import memory_folder
from skedema._caching.whole_files import open_file, sweep, write_whole
from skedema._told import tell

# Raise this when entries are laid out in another way: those of before are then not looked at.
_LAYOUT = 2

_MAGIC = b"SKEDEMA\n"
_DTYPES = ("<f4", "<f8")
_MOST_AXES = 8
_DIGITS = 20  # of the length of an axis; arrays have fewer


class ArrayStore:
    """Arrays of float32 or float64 in a folder, one file each, shared by any number of processes.

    An entry is a line that marks it, a line of JSON (layout, type, shape and key, for people to
    read), the numbers (little-endian), and the SHA-256 of all that. It is written to a temporary
    file, brought to the disk (fsync), and only then given its name; so whoever reads at that time,
    or is killed, leaves or sees a whole entry or none. The name is the SHA-256 of the key.

    Numbers are kept as they are: what comes from the store is the same to the bit, with nothing to
    convert. An entry of 96 cubed is 3.5 MB in float32 and loads in 2.1 ms where the processor has
    instructions for SHA-256 and 7 ms where it has none (as int16: 1.2 and 3.6 ms). BLAKE2b takes
    4 ms on both. A CRC-32 takes 1 ms, but misses one damaged entry in 4 billion and cannot tell
    entries apart by name.

    What cannot be read or written (a full disk, a folder without permission) is warned of once;
    work then goes on without the store.

    Parameters
    ----------
    folder : path
        Made when the first array is kept.
    bound : Bound or None, default=None
        Of the folder that it lies in; None keeps everything.
    """

    def __init__(self, folder: str | os.PathLike[str], bound: Bound | None = None) -> None:
        self.folder = Path(folder)
        self._bound = bound
        self._warned = False
        self._swept = False

    def path(self, key: str) -> Path:
        """Give the file of an entry, which need not exist."""
        name = json.dumps([_LAYOUT, key]).encode("ascii")
        return self.folder / f"{digest(name)}.array"

    def state(self) -> tuple[int, ...]:
        """Tell the folder as it is, in one look: another one once an entry came or went."""
        try:
            status = os.stat(self.folder)
        except OSError:
            return ()
        return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns

    def __contains__(self, key: str) -> bool:
        """Say whether there is an entry, be it whole or not."""
        return os.path.exists(self.path(key))

    def load(self, key: str) -> NDArray[Any] | None:
        """Give an array that was kept, new and writable.

        None where there is none. None with a warning where there is none that is whole.
        """
        path = self.path(key)
        try:
            file = open_file(path)
            array = None
            if file is not None:
                with file:
                    array = _read(file, key)
                    if array is not None and self._bound is not None:
                        self._bound.used(path, os.fstat(file.fileno()))
        except FileNotFoundError:
            return None
        except OSError as error:
            self._warn_once("read", error)
            return None
        if array is None:
            tell(
                f"{path} is damaged or not made by skedema; what it should hold is made anew and "
                "the file written over."
            )
        return array

    def save(self, key: str, array: NDArray[Any]) -> None:
        """Keep an array of float32 or float64, of up to 8 axes; others are refused."""
        dtype = array.dtype.newbyteorder("<")
        if dtype.str not in _DTYPES:
            raise TypeError(f"an array of {array.dtype} cannot be kept; give float32 or float64")
        if array.ndim > _MOST_AXES:
            raise ValueError(
                f"an array of {array.ndim} axes cannot be kept; give at most {_MOST_AXES}"
            )
        path = self.path(key)
        head = _head(key, dtype.str, array.shape)
        numbers = _bytes(np.ascontiguousarray(array, dtype=dtype))
        parts = (head, numbers, raw_digest(head, numbers))
        if not self._swept:  # once a process
            self._swept = True
            sweep(self.folder)
        try:
            write_whole(path, lambda file: file.writelines(parts), prefix=".")
        except OSError as error:
            self._warn_once("written", error)
        else:
            if self._bound is not None:
                self._bound.added(sum(map(len, parts)))

    def _warn_once(self, what: str, error: OSError) -> None:
        if self._warned:
            return
        self._warned = True
        tell(
            f"{self.folder}: nothing can be {what} there ({error}), so what could have been kept "
            "there is made again each time. Free space or mend the permissions there, or give "
            "memory= another folder."
        )


def store_beneath(memory: Any, name: str) -> ArrayStore | None:
    """Give the store of this process for ``skedema/<name>`` in the folder of a memory.

    None where `memory_folder` finds none.
    """
    if memory is None:
        return None
    is_found = isinstance(memory, Path) and memory.is_absolute()
    folder = memory if is_found else memory_folder(memory)
    return None if folder is None else _store_at(folder, name)


@lru_cache(maxsize=64)
def _store_at(folder: Path, name: str) -> ArrayStore:
    beneath = folder / "skedema"
    return ArrayStore(beneath / name, bound_of(beneath))


def _read(file: BufferedReader, key: str) -> NDArray[Any] | None:
    """Read an entry; None if it is not whole or not the one of the key."""
    # The key is known, so a longer line is not the one that names it.
    head = file.read(len(_MAGIC))
    head += file.readline(len(_head(key, _DTYPES[0], ())) + _MOST_AXES * (_DIGITS + 2))
    found = _dtype_and_shape(head, key)
    if found is None:
        return None
    dtype, shape = found
    n_bytes = math.prod(shape) * int(dtype[-1])
    if os.fstat(file.fileno()).st_size != len(head) + n_bytes + DIGEST_SIZE:
        return None
    try:
        array = np.empty(shape, dtype=dtype)
    except (ValueError, OverflowError):  # nothing along one axis, too much along the others
        return None
    numbers = _bytes(array)
    whole = file.readinto(numbers) == n_bytes
    whole = whole and file.read(DIGEST_SIZE + 1) == raw_digest(head, numbers)
    return array.astype(array.dtype.newbyteorder("="), copy=False) if whole else None


def _dtype_and_shape(head: bytes, key: str) -> tuple[str, tuple[int, ...]] | None:
    """Take the type and shape out of a head, if it is one of the key and says nothing else."""
    try:
        about = json.loads(head[len(_MAGIC) :])
        dtype, shape = about["dtype"], about["shape"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if dtype not in _DTYPES or not isinstance(shape, list) or len(shape) > _MOST_AXES:
        return None
    if not all(type(n) is int and n >= 0 for n in shape):
        return None
    return (dtype, tuple(shape)) if head == _head(key, dtype, shape) else None


def _head(key: str, dtype: str, shape: Sequence[int]) -> bytes:
    about = {"layout": _LAYOUT, "dtype": dtype, "shape": [int(n) for n in shape], "key": key}
    return _MAGIC + json.dumps(about).encode("ascii") + b"\n"


def _bytes(array: NDArray[Any]) -> memoryview:
    return array.reshape(-1).view(np.uint8).data
