"""A bound on the files of a cache: those that were not used for the longest go first."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from threading import Lock

from skedema._caching.whole_files import write_whole

#: Bytes of files unless a folder says otherwise: 20 GiB, about 6,000 volumes of 96 cubed.
DEFAULT_MAX_BYTES = 20 * 2**30

#: The folders of entries that go, and their names. Whatever else lies there is not of a cache.
FILES = {
    "volumes": "*.array",
    "about": "*.array",
    "features": "*.array",
    "remote": "[0-9a-f]" * 64 + ".*",
}

_NAME = "max_bytes.json"
_ROUGHLY = 60 * 10**9  # ns by which the time of last use may be off, to load quickly
_SLACK = 20  # a twentieth is made free at a time, so that a full folder is not listed at each file


class Bound:
    """The bound of a folder with a folder of entries for each cache (`FILES`).

    It is written in the folder itself, so that it holds for all processes. Whoever writes there
    looks from time to time at what others wrote; between that, each may exceed the bound by a
    twentieth. Entries that may not be removed (another user's) are beyond it.

    Parameters
    ----------
    folder : Path
        It need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._room = 0.0
        self._lock = Lock()

    @property
    def max_bytes(self) -> float:
        """The bound; infinite for none."""
        try:
            found = json.loads((self.folder / _NAME).read_text("ascii"))
        except (OSError, ValueError, RecursionError):
            return DEFAULT_MAX_BYTES
        if found is None:
            return math.inf
        return found if type(found) is int and found >= 0 else DEFAULT_MAX_BYTES

    def set(self, max_bytes: int | None) -> None:
        """Write a bound, None for none, and heed it at once."""
        text = json.dumps(max_bytes).encode("ascii")
        write_whole(self.folder / _NAME, lambda file: file.write(text))
        with self._lock:
            self._make_room()

    def used(self, path: Path, status: os.stat_result) -> None:
        """Set the time at which an entry was used last; many systems do not do so by themselves."""
        now = time.time_ns()
        if now - status.st_atime_ns > _ROUGHLY:
            with suppress(OSError):
                os.utime(path, ns=(now, status.st_mtime_ns))

    def added(self, n_bytes: int) -> None:
        """Heed the bound after a file was written."""
        with self._lock:
            self._room -= n_bytes
            if self._room < 0:
                self._make_room()

    def _make_room(self) -> None:
        most, found, total = self.max_bytes, [], 0
        for path in _entries(self.folder):
            with suppress(OSError):  # somebody else removed it
                status = path.stat()
                found.append((status.st_atime_ns, status.st_size, path))
                total += status.st_size
        if total > most:
            for _, size, path in sorted(found):
                if total <= most - most / _SLACK:
                    break
                # It counts also where another process was first, or where it has to stay: else
                # those that are used would go in its place.
                total -= size
                with suppress(OSError):
                    path.unlink()
        self._room = min(most - total, most / _SLACK)


def _entries(folder: Path) -> Iterator[Path]:
    for kind, pattern in FILES.items():
        with suppress(OSError):
            yield from (folder / kind).glob(pattern)


@lru_cache(maxsize=64)
def bound_of(folder: Path) -> Bound:
    """Give the one of this process for a folder."""
    return Bound(folder)
