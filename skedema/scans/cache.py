"""Read volumes kept in memory, so that each distinct scan is read once."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future
from itertools import islice
from threading import Lock
from typing import Any

import numpy as np
from joblib import Memory, effective_n_jobs
from numpy.typing import NDArray

from skedema.scans._processes import in_processes
from skedema.scans._volume_store import by_content, store_beneath
from skedema.scans.files import scan_key
from skedema.scans.reader import VolumeReader

#: Bytes of volumes that a cache keeps: 1 GiB, about 300 volumes of 96 cubed in one channel.
DEFAULT_MAX_BYTES = 2**30

# Volumes on disk outlive the code that made them: raise this when reading gives other numbers.
_READING = 1


class VolumeCache:
    """Volumes that were read, the least recently used dropped first.

    The key of a volume is its scan (`scan_key`: a file that was written anew is another scan) and
    the reader's settings. Safe to use from several threads; a volume that two of them ask for at
    once is read once. A pickled cache comes back empty.

    With a `memory`, volumes are also kept on disk (`VolumeStore`), there by the content of the
    file: one that was moved, copied or touched is known, one that was changed is not, whatever
    its time and size say. Volumes are the same to the bit wherever they come from.

    Parameters
    ----------
    max_bytes : int, default=2**30
        Bytes of volumes to keep. A volume that is larger is read each time.

    Attributes
    ----------
    n_reads : int
        How many scans were read so far (not found in memory or on disk).
    """

    def __init__(self, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self.n_reads = 0
        self._volumes: OrderedDict[Any, NDArray[np.float32]] = OrderedDict()
        self._pending: dict[Any, Future[NDArray[np.float32]]] = {}
        self._nbytes = 0
        self._lock = Lock()

    @property
    def nbytes(self) -> int:
        """Bytes of volumes held now."""
        return self._nbytes

    def get(
        self, reader: VolumeReader, cell: object, memory: Memory | None = None
    ) -> NDArray[np.float32]:
        """Give the volume of a scan, reading it if need be.

        Parameters
        ----------
        reader : VolumeReader
            How scans are read.
        cell : str, path, nibabel image or ndarray of shape (A, B, C)
            The scan.
        memory : joblib.Memory or None, default=None
            Where volumes are also kept on disk, for other processes and later runs: in the folder
            ``skedema/volumes`` of its location. Remove that to free the space.

        Returns
        -------
        ndarray of shape (channels, X, Y, Z), float32
            Read-only, shared by all who ask for it.

        Raises
        ------
        ScanError
            If the scan is missing or cannot be read. Nothing is kept then.
        """
        key = _key(reader, cell)
        with self._lock:
            if key in self._volumes:
                self._volumes.move_to_end(key)
                return self._volumes[key]
            pending = self._pending.get(key)
            mine: Future[NDArray[np.float32]] = Future()
            if pending is None:
                self._pending[key] = mine
        if pending is not None:
            return pending.result()
        try:
            volume = self._read(reader, cell, memory, key)
        except BaseException as error:
            with self._lock:
                del self._pending[key]
            mine.set_exception(error)
            raise
        with self._lock:
            self._keep(key, volume)
            del self._pending[key]
        mine.set_result(volume)
        return volume

    def read_ahead(
        self,
        reader: VolumeReader,
        cells: Sequence[object],
        memory: Memory | None = None,
        n_jobs: int | None = None,
    ) -> None:
        """Read scans in several processes, so that `get` finds their volumes.

        Scans are taken in their order, each distinct one once, those known already left out, and
        as many as the cache holds.

        Parameters
        ----------
        reader : VolumeReader
            How scans are read.
        cells : sequence of str, path, nibabel image or ndarray
            The scans, none missing.
        memory : joblib.Memory or None, default=None
            As in `get`.
        n_jobs : int or None, default=None
            Number of processes (as in joblib), one thread each.

        Raises
        ------
        ScanError
            If a scan is missing or cannot be read.
        """
        room = self.max_bytes // (4 * math.prod(_shape(reader)))
        wanted = dict(islice({_key(reader, cell): cell for cell in cells}.items(), room))
        with self._lock:
            wanted = {key: cell for key, cell in wanted.items() if key not in self._volumes}
        if not wanted:
            return
        tasks = ((reader, cell, memory, key) for key, cell in wanted.items())
        n_workers = min(effective_n_jobs(n_jobs), len(wanted))
        results = in_processes(_read_apart, tasks, n_workers)
        for key, (volume, n_reads) in zip(wanted, results, strict=True):
            volume.flags.writeable = False
            with self._lock:
                self.n_reads += n_reads
                self._keep(key, volume)

    def clear(self) -> None:
        """Forget all volumes; `n_reads` stays."""
        with self._lock:
            self._volumes.clear()
            self._nbytes = 0

    def _read(
        self, reader: VolumeReader, cell: object, memory: Memory | None, key: Any
    ) -> NDArray[np.float32]:
        store = store_beneath(memory)
        known_as = _stored_key(key) if store else ""
        volume = store.load(known_as, _shape(reader)) if store else None
        if volume is None:
            with self._lock:
                self.n_reads += 1
            volume = reader.read(cell)
            # A file that was written anew meanwhile is not what was hashed.
            if store and _stored_key(key) == known_as:
                store.save(known_as, volume)
        volume.flags.writeable = False
        return volume

    def _keep(self, key: Any, volume: NDArray[np.float32]) -> None:
        if volume.nbytes > self.max_bytes or key in self._volumes:
            return
        self._volumes[key] = volume
        self._nbytes += volume.nbytes
        while self._nbytes > self.max_bytes:
            _, dropped = self._volumes.popitem(last=False)
            self._nbytes -= dropped.nbytes

    def __len__(self) -> int:
        return len(self._volumes)

    def __reduce__(self) -> tuple[type[VolumeCache], tuple[int]]:
        return type(self), (self.max_bytes,)


def _key(reader: VolumeReader, cell: object) -> tuple[Any, ...]:
    kind = f"{type(reader).__module__}.{type(reader).__qualname__}"
    return (scan_key(cell), kind, tuple(reader.settings()))


def _stored_key(key: tuple[Any, ...]) -> str:
    scan, *reading = key
    return ascii((_READING, by_content(scan), *reading))


def _shape(reader: VolumeReader) -> tuple[int, ...]:
    return (reader.n_channels, *reader.settings().shape)


def _read_apart(
    reader: VolumeReader, cell: object, memory: Memory | None, key: Any
) -> tuple[NDArray[np.float32], int]:
    """Read in another process; gives the volume and how many scans that took (0 from disk)."""
    cache = VolumeCache(max_bytes=0)
    return cache._read(reader, cell, memory, key), cache.n_reads


#: The cache of this process.
volumes = VolumeCache()
