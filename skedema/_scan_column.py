"""The scan column of a table: cells that are checked before anything long begins."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skedema._each import n_processes, one_ahead
from skedema.frames import Column, Table, listing
from skedema.scans import ScanError, VolumeReader
from skedema.scans._remarks import Told
from skedema.scans.cache import About, volumes
from skedema.scans.errors import SEVERAL_SCANS
from skedema.scans.files import could_be_scan, holds_several, scan_key

_GROUP = 4  # scans a process that are read ahead: enough to keep it busy


@dataclass(frozen=True)
class Scans:
    """The scans of a group of patients.

    Attributes
    ----------
    cells : ndarray of object of shape (n,)
        What the column holds; None for a missing scan.
    present : ndarray of bool of shape (n,)
        Which patients have a scan.
    table : Table
        Their rows, for messages.
    """

    cells: np.ndarray
    present: np.ndarray
    table: Table

    def __len__(self) -> int:
        return len(self.cells)

    def take(self, rows: np.ndarray) -> Scans:
        """Keep some rows."""
        return Scans(self.cells[rows], self.present[rows], self.table.take(rows))

    def names(self, rows: np.ndarray) -> str:
        """Name scans in a message.

        Parameters
        ----------
        rows : ndarray of int
            Which.

        Returns
        -------
        str
            Their rows and files.
        """
        files = listing([_short(cell) for cell in self.cells[rows]])
        return f"{self.table.rows(rows)}: {files}"

    def key(self, row: int) -> tuple[Any, ...]:
        """Identify the scan of a patient; see `scan_key`.

        Parameters
        ----------
        row : int
            Which patient; one with a scan.

        Returns
        -------
        tuple
            Another one when a file was written anew.

        Raises
        ------
        ScanError
            When there is no such file; the message names row and file.
        """
        try:
            return scan_key(self.cells[row])
        except ScanError as error:
            raise self._at(row, error) from error

    def volume(
        self, row: int, reader: VolumeReader, memory: Path | None, *, keep: bool = True
    ) -> np.ndarray:
        """Read the volume of a patient, or take it from the cache.

        Parameters
        ----------
        row : int
            Which patient; one with a scan.
        reader : VolumeReader
            How scans are read.
        memory : path or None
            Where volumes are kept between runs.
        keep : bool, default=True
            Whether a volume that is read is kept in memory, to be asked for again.

        Returns
        -------
        ndarray of float32 of shape (C, X, Y, Z)
            Read-only.

        Raises
        ------
        ScanError
            When the scan cannot be read; the message names row and file.
        """
        try:
            return volumes.get(reader, self.cells[row], memory, keep=keep)
        except ScanError as error:
            raise self._at(row, error) from error

    def about(
        self, rows: np.ndarray, reader: VolumeReader, memory: Path | None
    ) -> dict[int, About]:
        """Tell what was found of scans when they were read; those not known are read for it."""
        try:
            every = volumes.about_all(reader, self.cells[rows], memory)
        except ScanError:  # one by one, to name the row
            every = [self._about(row, reader, memory) for row in rows]
        return dict(zip(rows.tolist(), every, strict=True))

    def odd(self, about: dict[int, About]) -> list[Told]:
        """Tell what is odd about scans of which so much was found."""
        return [
            Told(self.table.rows(np.array([row])), _short(self.cells[row]), remark)
            for row, found in about.items()
            for remark in found.remarks
        ]

    def _about(self, row: int, reader: VolumeReader, memory: Path | None) -> About:
        try:
            return volumes.about(reader, self.cells[row], memory)
        except ScanError as error:
            raise self._at(row, error) from error

    def stream(
        self,
        rows: np.ndarray,
        reader: VolumeReader,
        memory: Path | None,
        n_jobs: int | None,
        *,
        keep: bool,
    ) -> Iterator[np.ndarray]:
        """Read the volumes of patients one after the other, a few ahead.

        Parameters
        ----------
        rows : ndarray of int
            Which patients; they have a scan.
        reader : VolumeReader
            How scans are read.
        memory : path or None
            Where volumes are kept between runs.
        n_jobs : int or None
            Processes that read.
        keep : bool
            Whether volumes are kept in memory, to be asked for again. If not, the memory needed
            does not grow with the cohort.

        Yields
        ------
        ndarray of float32 of shape (C, X, Y, Z)
            Read-only.

        Raises
        ------
        ScanError
            When a scan cannot be read; the message names row and file.
        """
        n_workers = n_processes(n_jobs, len(rows))
        if n_workers == 1:
            for row in rows:
                yield self.volume(row, reader, memory, keep=keep)
            return
        size = _GROUP * n_workers
        groups = [rows[start : start + size] for start in range(0, len(rows), size)]
        ahead = one_ahead(lambda group: self._group(group, reader, memory, n_jobs, keep), groups)
        for group, read in zip(groups, ahead, strict=True):
            if read is None:  # one by one, to name the row
                for row in group:
                    yield self.volume(row, reader, memory, keep=keep)
            else:
                yield from read

    def _group(
        self,
        rows: np.ndarray,
        reader: VolumeReader,
        memory: Path | None,
        n_jobs: int | None,
        keep: bool,
    ) -> list[np.ndarray] | None:
        try:
            return volumes.get_all(reader, list(self.cells[rows]), memory, n_jobs, keep=keep)
        except ScanError:
            return None

    def _at(self, row: int, error: ScanError) -> ScanError:
        return ScanError(f"{self.table.rows(np.array([row]))}: {error}")


@dataclass(frozen=True)
class Volumes:
    """Scans as the volumes that a reader makes of them, each when it is due.

    Attributes
    ----------
    scans : Scans
        A group of patients.
    reader : VolumeReader or None
        How scans are read; None where an encoder reads them and does not tell how.
    memory : Path or None
        The folder where volumes and features are kept between runs.
    n_jobs : int or None
        Processes that read.
    verbose : int
        Above 0, progress is shown.
    """

    scans: Scans
    reader: VolumeReader | None
    memory: Path | None = None
    n_jobs: int | None = None
    verbose: int = 0

    def __len__(self) -> int:
        return len(self.scans)

    def __getitem__(self, row: int) -> np.ndarray:
        return self.scans.volume(row, self._reader, self.memory)

    @property
    def rows(self) -> np.ndarray:
        """Those that have a scan."""
        return np.flatnonzero(self.scans.present)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a volume, (C, X, Y, Z)."""
        return self._reader.n_channels, *self._reader.settings().shape

    def stream(self, rows: np.ndarray, *, keep: bool) -> Iterator[np.ndarray]:
        """Give volumes one after the other, a few read ahead; `keep` those that come again."""
        return self.scans.stream(rows, self._reader, self.memory, self.n_jobs, keep=keep)

    def prefetch(self) -> None:
        """Read all that memory holds in several processes; one process reads when it is due."""
        if n_processes(self.n_jobs, len(self.rows)) > 1:
            cells = list(self.scans.cells[self.rows])
            volumes.read_ahead(self._reader, cells, self.memory, self.n_jobs)

    def about(self) -> dict[int, About]:
        """Tell what was found of each scan when it was read; nothing without a reader."""
        if self.reader is None:
            return {}
        return self.scans.about(self.rows, self.reader, self.memory)

    @property
    def _reader(self) -> VolumeReader:
        if self.reader is None:
            raise TypeError("How these scans are read is not known.")
        return self.reader


def take_scans(table: Table, position: int | None) -> Scans:
    """Take the scans out of a table, checked as far as can be without reading them.

    Parameters
    ----------
    table : Table
        The patients.
    position : int or None
        Where the scan column is; None for a table without.

    Returns
    -------
    Scans
        The cells.
    """
    if position is None:
        nothing = np.full(len(table), None, dtype=object)
        return Scans(nothing, np.zeros(len(table), dtype=bool), table)
    column = table.columns[position]
    return Scans(column.values.astype(object), _check_cells(column, table), table)


def _short(cell: Any) -> str:
    """Quote a text, the end of a long one, where a path has its name; or name the type."""
    text = cell if isinstance(cell, str) else type(cell).__name__
    return repr(text if len(text) < 80 else f"...{text[-77:]}")


def _check_cells(column: Column, table: Table) -> np.ndarray:
    """Return which patients have a scan, or say what is wrong with the column."""
    present = ~column.missing()
    if column.is_numeric:
        if present.any():
            raise ValueError(
                f"Column {column.label} holds numbers, not scans. image= names the column of "
                "paths, images or arrays."
            )
        return present
    several = np.array([holds_several(cell) for cell in column.values], dtype=bool)
    odd = np.array([not could_be_scan(cell) for cell in column.values], dtype=bool) | several
    odd &= present
    if odd.any():
        raise ValueError(
            f"Column {column.label} is to hold scans, but there are other things in "
            f"{table.rows(odd)}: "
            f"{listing([_short(cell) for cell in column.values[odd]])}. A cell is a path "
            "(.nii, .nii.gz, .npy, .mha, .nrrd, a folder or .zip of one DICOM series), a list of "
            "the files of one DICOM series, a nibabel image, a 3-D array in HU, or missing (None)."
            + (f" {SEVERAL_SCANS}" if several.any() else "")
        )
    absent = np.array(
        [isinstance(c, (str, os.PathLike)) and not os.path.exists(c) for c in column.values],
        dtype=bool,
    )
    if absent.any():
        raise ScanError(
            f"{int(absent.sum())} of {int(present.sum())} scans in column {column.label} "
            f"{'is' if absent.sum() == 1 else 'are'} not there, in {table.rows(absent)}: "
            f"{listing([repr(str(cell)) for cell in column.values[absent]])}. Relative paths start "
            f"at the working directory, {os.getcwd()}. Mend the paths, or use None for a patient "
            "without a scan."
        )
    return present
