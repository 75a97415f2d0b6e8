"""Read volumes kept in memory, so that each distinct scan is read once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skedema._caching.bounded import BoundedCache
from skedema._caching.store import ArrayStore, store_beneath
from skedema.scans._content import by_content
from skedema.scans._processes import in_processes, n_processes
from skedema.scans._remarks import Remark, gathered, packed, unpacked
from skedema.scans._usual import measures
from skedema.scans.files import scan_key
from skedema.scans.reader import VolumeReader

#: Bytes of volumes that a cache keeps: 1 GiB, about 300 volumes of 96 cubed in one channel.
DEFAULT_MAX_BYTES = 2**30

_MEASURED_BYTES = 2**24  # of what volumes are like: those of 60,000

# Volumes on disk outlive the code that made them: raise this when reading gives other numbers.
_READING = 2

_MOST_REMARKED = 2**16  # scans whose remarks are kept


class VolumeCache:
    """Volumes that were read, the least recently used dropped first.

    The key of a volume is its scan (`scan_key`: a file that was written anew is another scan) and
    the reader's settings. Safe to use from several threads; a volume that two of them ask for at
    once is read once. A pickled cache comes back empty.

    With a `memory`, volumes are also kept on disk (`ArrayStore`), there by the content of the
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
        self.n_reads = 0
        self._held: BoundedCache[NDArray[np.float32]] = BoundedCache(max_bytes)
        self._measured: BoundedCache[NDArray[np.float32]] = BoundedCache(_MEASURED_BYTES)
        self._remarks: dict[Any, tuple[Remark, ...]] = {}
        self._counting = Lock()

    @property
    def max_bytes(self) -> int:
        """Bytes of volumes to keep; a smaller bound takes effect with the next volume."""
        return self._held.max_bytes

    @max_bytes.setter
    def max_bytes(self, max_bytes: int) -> None:
        self._held.max_bytes = max_bytes

    @property
    def nbytes(self) -> int:
        """Bytes of volumes held now."""
        return self._held.nbytes

    def get(
        self,
        reader: VolumeReader,
        cell: object,
        memory: Path | None = None,
        *,
        keep: bool = True,
    ) -> NDArray[np.float32]:
        """Give the volume of a scan, reading it if need be.

        Parameters
        ----------
        reader : VolumeReader
            How scans are read.
        cell : str, path, nibabel image or ndarray of shape (A, B, C)
            The scan.
        memory : path or None, default=None
            Where volumes are also kept on disk, for other processes and later runs: in the folder
            ``skedema/volumes`` of its location. Remove that to free the space.
        keep : bool, default=True
            Whether a volume that is not held yet is held from then on. False for volumes that are
            needed once, so that a stream of them does not fill the cache.

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
        return self._held.get(key, partial(self._read, reader, cell, memory, key), keep=keep)

    def read_ahead(
        self,
        reader: VolumeReader,
        cells: Sequence[object],
        memory: Path | None = None,
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
        memory : path or None, default=None
            As in `get`.
        n_jobs : int or None, default=None
            Number of processes (as in joblib), one thread each; this one where it is a worker of
            `joblib.Parallel`.

        Raises
        ------
        ScanError
            If a scan is missing or cannot be read.
        """
        room = self.max_bytes // (4 * math.prod(_shape(reader)))
        wanted = dict(islice({_key(reader, cell): cell for cell in cells}.items(), room))
        wanted = {key: cell for key, cell in wanted.items() if self._held.peek(key) is None}
        self._fetch(reader, wanted, memory, n_jobs, keep=True)

    def get_all(
        self,
        reader: VolumeReader,
        cells: Sequence[object],
        memory: Path | None = None,
        n_jobs: int | None = None,
        *,
        keep: bool = True,
    ) -> list[NDArray[np.float32]]:
        """Give the volumes of some scans, read in several processes.

        Parameters
        ----------
        reader, cells, memory, n_jobs
            As in `read_ahead`.
        keep : bool, default=True
            As in `get`.

        Returns
        -------
        list of ndarray of shape (channels, X, Y, Z), float32
            Read-only.

        Raises
        ------
        ScanError
            If a scan is missing or cannot be read.
        """
        keys = [_key(reader, cell) for cell in cells]
        found = {key: self._held.peek(key) for key in keys}
        wanted = {k: cell for k, cell in zip(keys, cells, strict=True) if found[k] is None}
        found |= self._fetch(reader, wanted, memory, n_jobs, keep=keep)
        return [volume for key in keys if (volume := found[key]) is not None]

    def measured(
        self, reader: VolumeReader, cell: object, memory: Path | None = None
    ) -> NDArray[np.float32]:
        """Tell what the volume of a scan is like; see `measures`.

        Parameters
        ----------
        reader, cell, memory
            As in `get`.

        Returns
        -------
        ndarray of float32 of shape (69,)
            Known of every volume that this process has read, also where it is no longer held.

        Raises
        ------
        ScanError
            If the scan is missing or cannot be read.
        """
        key = _key(reader, cell)
        known = self._measured.peek(key)
        if known is None:
            known = measures(self.get(reader, cell, memory, keep=False))
            self._measured.put(key, known)
        return known

    def remarks(
        self, reader: VolumeReader, cell: object, memory: Path | None = None
    ) -> tuple[Remark, ...]:
        """Tell what was odd about a scan when it was read.

        Parameters
        ----------
        reader, cell, memory
            As in `get`. Remarks are in the folder ``skedema/remarks`` of the memory.

        Returns
        -------
        tuple of Remark
            The scan is read for it where that is not known, in memory or on disk.

        Raises
        ------
        ScanError
            If the scan is missing or cannot be read.
        """
        key = _key(reader, cell)
        known = self._remarks.get(key)
        if known is None:
            store = store_beneath(memory, "remarks")
            stored = store.load(_stored_key(key)) if store else None
            known = None if stored is None else unpacked(stored)
            if known is None:
                known = self._read_anew(reader, cell, memory, key)[1]
            self._note(key, known)
        return known

    def _fetch(
        self,
        reader: VolumeReader,
        wanted: dict[Any, Any],
        memory: Path | None,
        n_jobs: int | None,
        *,
        keep: bool,
    ) -> dict[Any, NDArray[np.float32]]:
        """Read the scans of keys that are not held."""
        n_workers = n_processes(n_jobs, len(wanted))
        if n_workers == 1:
            return {k: self.get(reader, cell, memory, keep=keep) for k, cell in wanted.items()}
        found = {}
        tasks = ((reader, cell, memory, key) for key, cell in wanted.items())
        results = in_processes(_read_apart, tasks, n_workers)
        for key, (volume, n_reads, remarks) in zip(wanted, results, strict=True):
            volume.flags.writeable = False
            self._count(n_reads)
            self._measured.put(key, measures(volume))
            if remarks is not None:
                self._note(key, remarks)
            if keep:
                self._held.put(key, volume)
            found[key] = volume
        return found

    def clear(self) -> None:
        """Forget all volumes; `n_reads` stays."""
        self._held.clear()
        self._measured.clear()
        with self._counting:
            self._remarks.clear()

    def _read(
        self, reader: VolumeReader, cell: object, memory: Path | None, key: Any
    ) -> NDArray[np.float32]:
        store = store_beneath(memory, "volumes")
        volume = _load(store, _stored_key(key), reader) if store else None
        if volume is None:
            volume, remarks = self._read_anew(reader, cell, memory, key)
            self._note(key, remarks)
        volume.flags.writeable = False
        self._measured.put(key, measures(volume))
        return volume

    def _read_anew(
        self, reader: VolumeReader, cell: object, memory: Path | None, key: Any
    ) -> tuple[NDArray[np.float32], tuple[Remark, ...]]:
        volumes, about = store_beneath(memory, "volumes"), store_beneath(memory, "remarks")
        known_as = _stored_key(key) if volumes else ""
        self._count(1)
        with gathered() as told:
            volume = reader.read(cell)
        remarks = tuple(each.remark for each in told)
        # A file that was written anew meanwhile is not what was hashed.
        if volumes and about and _stored_key(key) == known_as:
            about.save(known_as, packed(remarks))
            volumes.save(known_as, volume)
        return volume, remarks

    def _note(self, key: Any, remarks: tuple[Remark, ...]) -> None:
        with self._counting:
            self._remarks[key] = remarks
            if len(self._remarks) > _MOST_REMARKED:
                del self._remarks[next(iter(self._remarks))]

    def _count(self, n_reads: int) -> None:
        with self._counting:
            self.n_reads += n_reads

    def __len__(self) -> int:
        return len(self._held)

    def __reduce__(self) -> tuple[type[VolumeCache], tuple[int]]:
        return type(self), (self.max_bytes,)


def reading(reader: VolumeReader) -> str:
    """Tell how a reader reads.

    Parameters
    ----------
    reader : VolumeReader
        Or one of a subclass.

    Returns
    -------
    str
        Equal for readers that give equal volumes.
    """
    kind = f"{type(reader).__module__}.{type(reader).__qualname__}"
    return f"{kind} {tuple(reader.settings())}"


def _key(reader: VolumeReader, cell: object) -> tuple[Any, ...]:
    return (scan_key(cell), reading(reader))


def _stored_key(key: tuple[Any, ...]) -> str:
    scan, *reading = key
    return ascii((_READING, by_content(scan), *reading))


def _shape(reader: VolumeReader) -> tuple[int, ...]:
    return (reader.n_channels, *reader.settings().shape)


def _load(store: ArrayStore, known_as: str, reader: VolumeReader) -> NDArray[np.float32] | None:
    volume = store.load(known_as)
    if volume is None or volume.dtype != np.float32 or volume.shape != _shape(reader):
        return None
    return volume


def _read_apart(
    reader: VolumeReader, cell: object, memory: Path | None, key: Any
) -> tuple[NDArray[np.float32], int, tuple[Remark, ...] | None]:
    """Read in another process; gives the volume, how many scans that took (0 from disk), remarks.

    None: these were not looked at.
    """
    cache = VolumeCache(max_bytes=0)
    volume = cache._read(reader, cell, memory, key)
    return volume, cache.n_reads, cache._remarks.get(key)


#: The cache of this process.
volumes = VolumeCache()
