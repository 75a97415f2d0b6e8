"""Volumes that were read, so that each distinct scan is read once."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skedema._caching.cache import Cache
from skedema._each import each, n_processes, named
from skedema.scans._content import kept_as
from skedema.scans._remarks import Remark, gathered, packed, unpacked
from skedema.scans._usual import N_MEASURES, measures
from skedema.scans.errors import ScanError
from skedema.scans.files import scan_key, scan_name
from skedema.scans.reader import VolumeReader

#: Bytes of volumes that a cache keeps: 1 GiB, about 300 volumes of 96 cubed in one channel.
DEFAULT_MAX_BYTES = 2**30


# Volumes on disk outlive the code that made them: raise this when reading gives other numbers.
_READING = 2

_ABOUT_MAX_BYTES = 2**25  # 32 MiB: some ten thousands of scans

Key = tuple[tuple[Any, ...], str]
Volume = NDArray[np.float32]


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

    @property
    def nbytes(self) -> int:
        """Bytes of it, about."""
        return 500 + self.measures.nbytes + sum(len(remark.text) for remark in self.remarks)


class VolumeCache:
    """Volumes that were read, and what is known about their scans.

    The key of a volume is its scan (`scan_key`: a file that was written anew is another scan) and
    the reader's settings. On disk it is the content of the file: one that was moved, copied or
    touched is known, one that was changed is not, whatever its time and size say. Volumes are the
    same to the bit wherever they come from. All else is as in `Cache`.

    Parameters
    ----------
    max_bytes : int, default=2**30
        Bytes of volumes to keep in memory. A volume that is larger is read each time.

    Attributes
    ----------
    n_reads : int
        How many scans were read so far (not found in memory or on disk).
    """

    def __init__(self, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self.n_reads = 0
        self._volumes: Cache[Volume] = Cache(
            "volumes", _READING, max_bytes, kept_as, unpack=_read_only
        )
        self._about: Cache[About] = Cache(
            "about", _READING, _ABOUT_MAX_BYTES, kept_as, _packed, _unpacked
        )
        self._counting = Lock()

    @property
    def max_bytes(self) -> int:
        """Bytes of volumes to keep; a smaller bound takes effect with the next volume."""
        return self._volumes.max_bytes

    @max_bytes.setter
    def max_bytes(self, max_bytes: int) -> None:
        self._volumes.max_bytes = max_bytes

    @property
    def nbytes(self) -> int:
        """Bytes of volumes held now."""
        return self._volumes.nbytes

    def get(
        self, reader: VolumeReader, cell: object, memory: Path | None = None, *, keep: bool = True
    ) -> Volume:
        """Give the volume of a scan, reading it if need be.

        Parameters
        ----------
        reader : VolumeReader
            How scans are read.
        cell : str, path, nibabel image or ndarray of shape (A, B, C)
            The scan.
        memory : path or None, default=None
            Where volumes are also kept on disk.
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
        return self._get(reader, cell, memory, (scan_key(cell), reading(reader)), keep)

    def read_ahead(
        self,
        reader: VolumeReader,
        cells: Sequence[object],
        memory: Path | None = None,
        n_jobs: int | None = None,
    ) -> None:
        """Read scans in several processes, so that `get` finds their volumes.

        Scans are taken in their order, each distinct one once, those held already left out, and
        as many as the cache holds. All else is as in `get_all`.
        """
        room = self.max_bytes // (4 * math.prod(_shape(reader)))
        wanted = dict(zip(_keys(reader, map(scan_key, cells)), cells, strict=True))
        wanted = dict(islice(wanted.items(), room))
        held = self._volumes.find(wanted)
        wanted = {key: cell for key, cell in wanted.items() if key not in held}
        self._fetch(reader, wanted, memory, n_jobs, keep=True)

    def get_all(
        self,
        reader: VolumeReader,
        cells: Sequence[object],
        memory: Path | None = None,
        n_jobs: int | None = None,
        *,
        keep: bool = True,
    ) -> list[Volume]:
        """Give the volumes of some scans, read in several processes.

        Parameters
        ----------
        reader, memory, keep
            As in `get`.
        cells : sequence of str, path, nibabel image or ndarray
            The scans, none missing.
        n_jobs : int or None, default=None
            Number of processes (as in joblib), one thread each; this one where it is a worker of
            `joblib.Parallel`.

        Returns
        -------
        list of ndarray of shape (channels, X, Y, Z), float32
            Read-only.

        Raises
        ------
        ScanError
            If a scan is missing or cannot be read.
        """
        keys = _keys(reader, map(scan_key, cells))
        found = self._volumes.find(keys)
        wanted = {k: cell for k, cell in zip(keys, cells, strict=True) if k not in found}
        found |= self._fetch(reader, wanted, memory, n_jobs, keep=keep)
        return [found[key] for key in keys]

    def about(self, reader: VolumeReader, cell: object, memory: Path | None = None) -> About:
        """Tell it of one scan; see `about_all`."""
        return self.about_all(reader, [cell], memory)[0]

    def about_all(
        self,
        reader: VolumeReader,
        cells: Collection[object],
        memory: Path | None = None,
        scans: Iterable[tuple[Any, ...]] | None = None,
    ) -> list[About]:
        """Tell what was odd about scans when they were read, and what their volumes are like.

        Parameters
        ----------
        reader, memory
            As in `get`.
        cells : sequence of str, path, nibabel image or ndarray
            The scans. Those of which that is not known are read for it.
        scans : iterable of tuple, default=None
            What identifies each (`scan_key`), where that was asked for already.

        Returns
        -------
        list of About
            One a scan.

        Raises
        ------
        ScanError
            If a scan is missing or cannot be read.
        """
        keys = _keys(reader, map(scan_key, cells) if scans is None else scans)
        found = self._about.find(keys, memory)
        return [
            found[key] if key in found else self._read_about(reader, cell, memory, key)
            for key, cell in zip(keys, cells, strict=True)
        ]

    def learn(
        self, reader: VolumeReader, scans: Iterable[tuple[Any, ...]], about: Sequence[About]
    ) -> None:
        """Take over what a process elsewhere found out about scans, as `about_all` tells it."""
        for key, found in zip(_keys(reader, scans), about, strict=True):
            self._about.put(key, found)

    def known(self, keys: Collection[Key], memory: Path | None = None) -> set[Key]:
        """Tell which volumes are at hand, in memory or on disk: (`scan_key`, `reading`) of each."""
        return self._volumes.known(keys, memory)

    def clear(self) -> None:
        """Forget all that is in memory; `n_reads` stays."""
        self._volumes.clear()
        self._about.clear()

    def _fetch(
        self,
        reader: VolumeReader,
        wanted: dict[Key, Any],
        memory: Path | None,
        n_jobs: int | None,
        *,
        keep: bool,
    ) -> dict[Key, Volume]:
        """Read the scans of keys that are not held."""
        if n_processes(n_jobs, len(wanted)) == 1:
            return {k: self._get(reader, cell, memory, k, keep) for k, cell in wanted.items()}
        found = {}
        tasks = [(reader, cell, memory, key) for key, cell in wanted.items()]
        results = each(_read_apart, tasks, n_jobs)
        for key, (volume, n_reads, about) in zip(wanted, results, strict=True):
            self._count(n_reads)
            if about is not None:
                self._about.put(key, about)
            found[key] = _read_only(volume)
            if keep and _is_still(wanted[key], key):  # else it may be that of another file
                self._volumes.put(key, volume)
        return found

    def _get(
        self, reader: VolumeReader, cell: object, memory: Path | None, key: Key, keep: bool
    ) -> Volume:
        shape = _shape(reader)
        return self._volumes.get(
            key,
            lambda: self._read(reader, cell, memory, key)[0],
            memory,
            keep=keep,
            lasts=lambda: _is_still(cell, key),
            fits=lambda volume: volume.dtype == np.float32 and volume.shape == shape,
        )

    def _read(
        self, reader: VolumeReader, cell: object, memory: Path | None, key: Key
    ) -> tuple[Volume, About]:
        self._count(1)
        with gathered() as told:
            volume = reader.read(cell)
        about = About(tuple(one.remark for one in told), measures(volume))
        if _is_still(cell, key):
            self._about.put(key, about, memory)
        return _read_only(volume), about

    def _read_about(
        self, reader: VolumeReader, cell: object, memory: Path | None, key: Key
    ) -> About:
        """Read a scan for what is known about it; its volume is on disk from then on."""
        volume, about = self._read(reader, cell, memory, key)
        if _is_still(cell, key):
            self._volumes.bring(key, volume, memory)
        return about

    def _count(self, n_reads: int) -> None:
        with self._counting:
            self.n_reads += n_reads

    def __len__(self) -> int:
        return len(self._volumes)

    def __reduce__(self) -> tuple[type[VolumeCache], tuple[int]]:
        return type(self), (self.max_bytes,)


def reading(reader: VolumeReader) -> str:
    """Tell how a reader, or one of a subclass, reads: equal where volumes are."""
    kind = f"{type(reader).__module__}.{type(reader).__qualname__}"
    return f"{kind} {reader.settings().identity}"


def _keys(reader: VolumeReader, scans: Iterable[tuple[Any, ...]]) -> list[Key]:
    how = reading(reader)
    return [(scan, how) for scan in scans]


def _is_still(cell: object, key: Key) -> bool:
    """Say whether the file of a scan is what the key tells; one in memory is taken to be."""
    with suppress(ScanError):
        return key[0][0] in ("array", "image") or scan_key(cell) == key[0]
    return False


def _shape(reader: VolumeReader) -> tuple[int, ...]:
    return (reader.n_channels, *reader.settings().shape)


def _read_only(volume: Volume) -> Volume:
    volume.flags.writeable = False
    return volume


@named(lambda _, cell, *__: repr(scan_name(cell)))
def _read_apart(
    reader: VolumeReader, cell: object, memory: Path | None, key: Key
) -> tuple[Volume, int, About | None]:
    """Read in another process; gives the volume, how many scans that took, and about it.

    None: it was on disk, and that was not looked at.
    """
    cache = VolumeCache(max_bytes=0)
    volume = cache._get(reader, cell, memory, key, keep=False)
    return volume, cache.n_reads, cache._about.peek(key)


def _packed(about: About) -> NDArray[np.float32]:
    return np.concatenate([about.measures, packed(about.remarks)])


def _unpacked(numbers: NDArray[Any]) -> About | None:
    remarks = unpacked(numbers[N_MEASURES:])
    measured = np.asarray(numbers[:N_MEASURES], dtype=np.float32)
    return None if remarks is None else About(remarks, measured)


#: The cache of this process.
volumes = VolumeCache()
