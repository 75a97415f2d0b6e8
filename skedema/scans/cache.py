"""Read volumes kept in memory, so that each distinct scan is read once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skedema._caching.bounded import BoundedCache
from skedema._caching.store import ArrayStore, store_beneath
from skedema._each import each, n_processes
from skedema.scans._content import by_content
from skedema.scans._remarks import Remark, gathered, packed, unpacked
from skedema.scans._usual import N_MEASURES, measures
from skedema.scans.files import scan_key
from skedema.scans.reader import VolumeReader

#: Bytes of volumes that a cache keeps: 1 GiB, about 300 volumes of 96 cubed in one channel.
DEFAULT_MAX_BYTES = 2**30


# Volumes on disk outlive the code that made them: raise this when reading gives other numbers.
_READING = 2

_MOST = 2**16  # scans about which something is kept, a few hundred bytes each


class About(NamedTuple):
    """What is known of a scan besides its volume.

    Parameters
    ----------
    remarks : tuple of Remark
        What was odd when it was read.
    measures : ndarray of float32 of shape (69,)
        What its volume is like; see `measures`.
    """

    remarks: tuple[Remark, ...]
    measures: NDArray[np.float32]


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
        self._about: dict[Any, About] = {}
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

    def about(self, reader: VolumeReader, cell: object, memory: Path | None = None) -> About:
        """Tell what was odd about a scan when it was read, and what its volume is like.

        Parameters
        ----------
        reader, cell, memory
            As in `get`. What is told is in the folder ``skedema/about`` of the memory.

        Returns
        -------
        About
            The scan is read for it where that is not known, in memory or on disk.

        Raises
        ------
        ScanError
            If the scan is missing or cannot be read.
        """
        return self.about_all(reader, [cell], memory)[0]

    def about_all(
        self, reader: VolumeReader, cells: Iterable[object], memory: Path | None = None
    ) -> list[About]:
        """Tell it of many scans, for each prediction asks; as `about`.

        Parameters
        ----------
        reader, memory
            As in `get`.
        cells : iterable of str, path, nibabel image or ndarray
            The scans.

        Returns
        -------
        list of About
            One a scan.

        Raises
        ------
        ScanError
            If a scan is missing or cannot be read.
        """
        how, store = reading(reader), store_beneath(memory, "about")
        return [
            self._about_one(reader, cell, memory, (scan_key(cell), how), store) for cell in cells
        ]

    def _about_one(
        self,
        reader: VolumeReader,
        cell: object,
        memory: Path | None,
        key: Any,
        store: ArrayStore | None,
    ) -> About:
        known = self._about.get(key)
        if known is None and store:
            known = _unpacked(store.load(_stored_key(key)))
            if known is not None:
                self._note(key, known)
        elif known is not None and store and not store.path(_stored_key(key)).exists():
            store.save(_stored_key(key), _packed(known))  # who read it kept nothing there
        return self._read_anew(reader, cell, memory, key)[1] if known is None else known

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
        if n_processes(n_jobs, len(wanted)) == 1:
            return {k: self.get(reader, cell, memory, keep=keep) for k, cell in wanted.items()}
        found = {}
        tasks = [(reader, cell, memory, key) for key, cell in wanted.items()]
        results = each(_read_apart, tasks, n_jobs)
        for key, (volume, n_reads, about) in zip(wanted, results, strict=True):
            volume.flags.writeable = False
            self._count(n_reads)
            if about is not None:
                self._note(key, about)
            if keep:
                self._held.put(key, volume)
            found[key] = volume
        return found

    def clear(self) -> None:
        """Forget all volumes; `n_reads` stays."""
        self._held.clear()
        with self._counting:
            self._about.clear()

    def _read(
        self, reader: VolumeReader, cell: object, memory: Path | None, key: Any
    ) -> NDArray[np.float32]:
        store = store_beneath(memory, "volumes")
        volume = _load(store, _stored_key(key), reader) if store else None
        if volume is None:
            volume, _ = self._read_anew(reader, cell, memory, key)
        volume.flags.writeable = False
        return volume

    def _read_anew(
        self, reader: VolumeReader, cell: object, memory: Path | None, key: Any
    ) -> tuple[NDArray[np.float32], About]:
        kept, store = store_beneath(memory, "volumes"), store_beneath(memory, "about")
        known_as = _stored_key(key) if kept else ""
        self._count(1)
        with gathered() as told:
            volume = reader.read(cell)
        about = About(tuple(one.remark for one in told), measures(volume))
        self._note(key, about)
        # A file that was written anew meanwhile is not what was hashed.
        if kept and store and _stored_key(key) == known_as:
            store.save(known_as, _packed(about))
            kept.save(known_as, volume)
        return volume, about

    def _note(self, key: Any, about: About) -> None:
        with self._counting:
            self._about[key] = about
            if len(self._about) > _MOST:
                del self._about[next(iter(self._about))]

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
) -> tuple[NDArray[np.float32], int, About | None]:
    """Read in another process; gives the volume, how many scans that took, and about it.

    None: it was on disk, and that was not looked at.
    """
    cache = VolumeCache(max_bytes=0)
    volume = cache._read(reader, cell, memory, key)
    return volume, cache.n_reads, cache._about.get(key)


def _packed(about: About) -> NDArray[np.float32]:
    return np.concatenate([about.measures, packed(about.remarks)])


def _unpacked(numbers: NDArray[Any] | None) -> About | None:
    remarks = None if numbers is None else unpacked(numbers[N_MEASURES:])
    if numbers is None or remarks is None:
        return None
    return About(remarks, np.asarray(numbers[:N_MEASURES], dtype=np.float32))


#: The cache of this process.
volumes = VolumeCache()
