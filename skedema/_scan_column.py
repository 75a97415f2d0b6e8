"""The scan columns of a table: cells that are checked before anything long begins."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from skedema.frames import Column, Table, listing, read_table
from skedema.scans import ScanError
from skedema.scans._addresses import is_refused
from skedema.scans._column import scan_cells
from skedema.scans._remote.scan import RemoteScan, ask_all, at_address, is_address, not_asked
from skedema.scans.errors import SEVERAL_SCANS
from skedema.scans.files import could_be_scan, holds_several, scan_key, scan_name


@dataclass(frozen=True)
class Scans:
    """The scans of a group of patients.

    They are one list. Where a patient has k scans, in as many columns, they stand next to each
    other: that of patient i in column j has the number k i + j.

    Attributes
    ----------
    cells : ndarray of object of shape (n * k,)
        What the columns hold; None for a missing scan.
    present : ndarray of bool of shape (n * k,)
        Which of them there are.
    table : Table
        The patients' rows, for messages.
    columns : tuple of int
        Positions of the columns; none where there are no scans, and k is 1.
    """

    cells: np.ndarray
    present: np.ndarray
    table: Table
    columns: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.cells)

    @property
    def n_each(self) -> int:
        """Scans k of a patient, the missing ones as well."""
        return max(1, len(self.columns))

    def take(self, patients: np.ndarray) -> Scans:
        """Keep some patients."""
        numbers = self.of(patients)
        table = self.table.take(patients)
        return Scans(self.cells[numbers], self.present[numbers], table, self.columns)

    def of(self, patients: np.ndarray) -> np.ndarray:
        """Give the numbers of all scans of some patients."""
        return (self.n_each * patients[:, None] + np.arange(self.n_each)).ravel()

    def patients(self, numbers: np.ndarray) -> np.ndarray:
        """Tell whose scans these are."""
        return numbers // self.n_each

    def by_patient(self, found: np.ndarray) -> np.ndarray:
        """Put what was found of each scan together: from (n * k, T, ...) to (n, k * T, ...).

        What has no second axis, such as `present`, becomes (n, k). Of one scan a patient all stays
        as it is.
        """
        k = self.n_each
        if k == 1:
            return found
        return found.reshape(len(found) // k, k * math.prod(found.shape[1:2]), *found.shape[2:])

    def name(self, number: int) -> str:
        """Quote the path of a scan, or name its type."""
        return _short(self.cells[number])

    def names(self, numbers: np.ndarray) -> str:
        """Name rows, columns if there are several, and files in a message."""
        by_column = numbers[np.argsort(numbers % self.n_each, kind="stable")]
        return f"{self.places(numbers)}: {listing([self.name(number) for number in by_column])}"

    def places(self, numbers: np.ndarray) -> str:
        """Name rows, and columns if there are several, in a message."""
        if self.n_each == 1:
            return self.table.rows(numbers)
        found = []
        for k, position in enumerate(self.columns):
            own = numbers[numbers % self.n_each == k]
            if len(own):
                rows = self.table.rows(self.patients(own))
                found.append(f"{rows}, column {self.table.columns[position].label}")
        return "; ".join(found)

    def key(self, number: int) -> tuple[Any, ...]:
        """Identify a scan; another one when its file was written anew. See `scan_key`."""
        with self.named(number):
            return scan_key(self.cells[number])

    @contextmanager
    def named(self, number: int) -> Iterator[None]:
        """Begin the message of a scan that cannot be read with its place."""
        try:
            yield
        except ScanError as error:
            raise ScanError(f"{self.places(np.array([number]))}: {error}") from error


def take_scans(table: Table, *positions: int, remote: Any = None) -> Scans:
    """Take the scans out of columns of a table, checked as far as can be without reading.

    Those at addresses are asked about, where there is a folder for copies (`remote`).
    """
    if not positions:
        nothing = np.full(len(table), None, dtype=object)
        return Scans(nothing, np.zeros(len(table), dtype=bool), table, ())
    checked = []
    for position in positions:
        column = table.columns[position]
        checked.append(_checked_cells(column.values.astype(object), column, table, remote))
    cells, present = (np.stack(each, axis=1).ravel() for each in zip(*checked, strict=True))
    return Scans(cells, present, table, positions)


def take_every_scan(X: Any, remote: Any = None) -> Scans:
    """Take a sequence of scans, checked as far as can be without reading them; none is missing."""
    given = scan_cells(X)
    cells = np.empty(len(given), dtype=object)
    for row, cell in enumerate(given):  # `cells[:] =` would take arrays apart
        cells[row] = cell
    columns = getattr(X, "columns", None)
    name = getattr(X, "name", None) if columns is None else columns[0]
    index = X.index if isinstance(X, (pd.Series, pd.DataFrame)) else None
    frame = pd.DataFrame({"scans" if name is None else str(name): cells}, index=index)
    scans = take_scans(read_table(frame), 0, remote=remote)
    n_missing = int((~scans.present).sum())
    if n_missing:
        raise ScanError(
            f"{n_missing} of {len(scans)} scans {'is' if n_missing == 1 else 'are'} missing, in "
            f"{scans.table.rows(~scans.present)}. Leave these rows out: X[X.notna()] for a Series."
        )
    return scans


def remote_of(volume: Any, encoder: Any) -> Any:
    """Give the folder for copies of remote scans that a model names: its reader, or its encoder's.

    None where nothing is to be fetched.
    """
    encoder = getattr(encoder, "estimator", encoder)  # what keeps a fitted one as it is
    readers = (volume, getattr(encoder, "volume", None), getattr(encoder, "volume_", None))
    named = (getattr(reader, "remote", None) for reader in readers)
    return next((remote for remote in named if remote is not None), None)


def _short(cell: Any) -> str:
    """Quote a text, the end of a long one, where a path has its name; or name the type."""
    text = scan_name(cell) if isinstance(cell, str | RemoteScan) else type(cell).__name__
    return repr(text if len(text) < 80 else f"...{text[-77:]}")


def _checked_cells(
    cells: np.ndarray, column: Column, table: Table, remote: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Return cells, and which patients have a scan, or say what is wrong with the column."""
    present = ~column.missing()
    if column.is_numeric:
        if present.any():
            raise ValueError(
                f"Column {column.label} holds numbers, not scans. image= names the column of "
                "paths, images or arrays."
            )
        return cells, present
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
    far = np.array([is_address(cell) for cell in cells], dtype=bool)
    if far.any():
        cells = _asked_about(cells, far, column, table, remote)
    absent = np.array([_is_path(cell) and not os.path.exists(cell) for cell in cells], dtype=bool)
    if absent.any():
        raise ScanError(
            f"{int(absent.sum())} of {int(present.sum())} scans in column {column.label} "
            f"{'is' if absent.sum() == 1 else 'are'} not there, in {table.rows(absent)}: "
            f"{listing([repr(str(cell)) for cell in column.values[absent]])}. Relative paths start "
            f"at the working directory, {os.getcwd()}. Mend the paths, or use None for a patient "
            "without a scan."
        )
    return cells, present


def _is_path(cell: Any) -> bool:
    return isinstance(cell, str | os.PathLike) and not isinstance(cell, RemoteScan)


def _asked_about(
    cells: np.ndarray, far: np.ndarray, column: Column, table: Table, remote: Any
) -> np.ndarray:
    """Put scans at addresses in the place of these, where that is asked for and they are there."""
    if remote is None:
        # What nobody could fetch is told as that: a folder for copies would not help.
        refused = [cell for cell in cells[far] if isinstance(cell, str) and is_refused(cell)]
        told = (
            not_asked(scan_name(refused[0]))
            if refused
            else not_asked(listing([_short(cell) for cell in cells[far]]))
        )
        raise ScanError(f"Column {column.label} holds addresses in {table.rows(far)}. {told}.")
    cells = cells.copy()
    rows = np.flatnonzero(far)
    for row in rows:
        cells[row] = at_address(cells[row], remote)
    wrong = {
        row: error for row, error in zip(rows, ask_all(list(cells[rows])), strict=True) if error
    }
    if wrong:
        named = np.array(list(wrong))
        texts = listing(list(dict.fromkeys(map(str, wrong.values()))))
        raise ScanError(
            f"{len(wrong)} of {len(rows)} addresses in column {column.label} cannot be read, in "
            f"{table.rows(np.isin(np.arange(len(cells)), named))}: {texts}."
        )
    return cells
