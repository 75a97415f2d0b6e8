"""Scans as the volumes that a reader makes of them."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from skedema._caching.digest import digest
from skedema._each import n_processes, one_ahead
from skedema._scan_column import Scans
from skedema.scans import ScanError
from skedema.scans._content import by_content
from skedema.scans._remarks import Told, tell
from skedema.scans.cache import About, reading, volumes
from skedema.scans.files import scan_name

_GROUP = 4  # scans a process that are read ahead: enough to keep it busy


@dataclass(frozen=True)
class Volumes:
    """Volumes (C, X, Y, Z) of a group of patients, read-only, each read once and when it is due.

    A scan that cannot be read is named by its row and file.

    Attributes
    ----------
    scans : Scans
        The patients'.
    reader : VolumeReader
        How scans are read. None where an encoder reads them and does not tell how: then there are
        scans alone.
    memory : Path or None
        The folder where volumes and features are kept between runs.
    n_jobs : int or None
        Processes that read.
    verbose : int
        Above 0, progress is shown.
    """

    scans: Scans
    reader: Any
    memory: Path | None = None
    n_jobs: int | None = None
    verbose: int = 0

    def __len__(self) -> int:
        return len(self.scans)

    def __getitem__(self, row: int) -> np.ndarray:
        return self._read(row, keep=True)

    @cached_property
    def rows(self) -> np.ndarray:
        """Those that have a scan."""
        return np.flatnonzero(self.scans.present)

    @cached_property
    def keys(self) -> dict[int, Any]:
        """What identifies the scan of each row, as it is now."""
        return {row: self.scans.key(row) for row in self.rows.tolist()}

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(C, X, Y, Z)."""
        return self.reader.n_channels, *self.reader.settings().shape

    def known(self) -> set[int]:
        """Tell which rows have a volume at hand, in memory or on disk."""
        how = reading(self.reader)
        found = volumes.known([(key, how) for key in self.keys.values()], self.memory)
        return {row for row, key in self.keys.items() if (key, how) in found}

    def names(self, rows: np.ndarray) -> str:
        """Name rows and files in a message."""
        return self.scans.names(rows)

    def digest(self) -> str:
        """Identify the voxels: by the content of a file, so that copies and backups go on."""
        return digest(repr(([by_content(key) for key in self.keys.values()], reading(self.reader))))

    def stream(self, rows: np.ndarray, *, keep: bool = False) -> Iterator[np.ndarray]:
        """Give volumes one after the other, a few read ahead.

        Those that come again are kept in memory; if not, the memory that is needed does not grow
        with the number of scans.
        """
        n_workers = n_processes(self.n_jobs, len(rows))
        if n_workers == 1:
            for row in rows:
                yield self._read(row, keep=keep)
            return
        size = _GROUP * n_workers
        groups = [rows[start : start + size] for start in range(0, len(rows), size)]
        ahead = one_ahead(lambda group: self._group(group, keep), groups)
        for group, read in zip(groups, ahead, strict=True):
            if read is None:  # one by one, to name the row
                for row in group:
                    yield self._read(row, keep=keep)
            else:
                yield from read

    def batches(self, batches: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
        """Give batches of rows, while `n_jobs` processes read the scans of later ones."""
        n_jobs = n_processes(self.n_jobs, len(self))
        if n_jobs == 1:
            yield from batches
            return
        # Enough scans to keep the processes busy, as long as the cache holds two groups and more.
        n_scans = min(4 * n_jobs, volumes.max_bytes // (4 * math.prod(self.shape)) // 3)
        ahead = max(1, n_scans // max(map(len, batches)))
        groups = [batches[start : start + ahead] for start in range(0, len(batches), ahead)]
        read = one_ahead(lambda group: self.prefetch(np.concatenate(group)), groups)
        for group, _ in zip(groups, read, strict=True):
            yield from group

    def prefetch(self, rows: np.ndarray) -> None:
        """Read in several processes what memory holds; a single one reads when it is due."""
        if n_processes(self.n_jobs, len(rows)) > 1:
            cells = list(self.scans.cells[rows])
            try:
                volumes.read_ahead(self.reader, cells, self.memory, self.n_jobs)
            except ScanError:
                return  # who asks for the volume meets it again, and names the row

    def about(self) -> dict[int, About]:
        """Tell of each row what was found when its scan was read; of those not known it is."""
        if self.reader is None:
            return {}
        cells, keys = self.scans.cells, self.keys
        try:
            every = volumes.about_all(self.reader, cells[self.rows], self.memory, keys.values())
        except ScanError:  # one by one, to name the row
            every = []
            for row in keys:
                with self.scans.named(row):
                    every.append(volumes.about(self.reader, cells[row], self.memory))
        return dict(zip(keys, every, strict=True))

    def tell_odd(self, about: dict[int, About] | None = None, but: Collection[int] = ()) -> None:
        """Tell of scans that are no HU, or whose brain mask or pose was not to be trusted."""
        about, cells = self.about() if about is None else about, self.scans.cells
        told = [
            Told(self.scans.places(np.array([row])), repr(scan_name(cells[row])), remark)
            for row, found in about.items()
            for remark in found.remarks
            if row not in but
        ]
        tell(told, len(about))

    def _read(self, row: int, *, keep: bool) -> np.ndarray:
        with self.scans.named(row):
            return volumes.get(self.reader, self.scans.cells[row], self.memory, keep=keep)

    def _group(self, rows: np.ndarray, keep: bool) -> list[np.ndarray] | None:
        cells = list(self.scans.cells[rows])
        try:
            return volumes.get_all(self.reader, cells, self.memory, self.n_jobs, keep=keep)
        except ScanError:
            return None
