"""The columns of a table: their names and order, and which of them holds the scan."""

from __future__ import annotations

from typing import Any

import numpy as np

from skedema._scan_column import Scans, take_scans
from skedema._told import is_table_told
from skedema.clinical.leaks import find_leaks, warn_of_leaks
from skedema.frames import Table, find_column, match_columns, read_patient, read_table
from skedema.scans.errors import SEVERAL_SCANS


class Columns:
    """The columns of the table that `fit` was given.

    Parameters
    ----------
    table : Table
        As it was read.
    image : str, int or None
        The column that holds the scan.
    owner : str
        The class that asks, for messages.
    reads_scans : bool, default=True
        Whether scans are asked for. If not, their column is left out as if it were not there.

    Attributes
    ----------
    image : int or None
        Where the scan stands.
    scan : int or None
        There, if scans are asked for.
    clinical : list of int
        Where everything else stands.
    """

    def __init__(self, table: Table, image: Any, owner: str, *, reads_scans: bool = True) -> None:
        self.names = table.keys
        self.n_columns = len(table.columns)
        self.owner = owner
        if np.iterable(image) and not isinstance(image, (str, bytes)):
            raise TypeError(
                f"image must be the name or the position of one column, got {image!r}. "
                f"{SEVERAL_SCANS}"
            )
        self.image = None if image is None else find_column(table, image, "image")
        self.clinical = [p for p in range(self.n_columns) if p != self.image]
        self.scan = self.image if reads_scans else None
        if self.image is not None and not (reads_scans or self.clinical):
            raise ValueError(
                f"Without the scans of column {table.columns[self.image].label} there is nothing "
                "to learn from: encoder=None needs clinical columns beside it."
            )

    def read(self, X: Any) -> Table:
        """Read what a method after `fit` is given: a table, an array, or one patient."""
        scan = None if self.image is None or self.names is None else self.names[self.image]
        patient = read_patient(X, self.names, scan)
        return self.match(read_table(X) if patient is None else patient)

    def match(self, table: Table) -> Table:
        """Bring a later table into the order of these columns."""
        return match_columns(table, self.names, self.n_columns, self.owner)

    def clinical_part(self, table: Table) -> Table:
        return table.select(self.clinical)

    def scans(self, table: Table, remote: Any = None) -> Scans:
        """Take the scans out of a table; all their files are looked for. See `take_scans`."""
        return take_scans(table, self.scan, remote)

    def refuse_no_scan(self, scans: Scans) -> None:
        """Refuse patients to learn from of whom none has a scan."""
        if self.scan is not None and not scans.present.any():
            raise ValueError(
                f"Column {scans.table.columns[self.scan].label} holds no scan at all among the "
                "patients to learn from. Do without a model of scans: give an "
                "AttentionMixerClassifier encoder=None, which leaves the column out."
            )

    def warn_of_leaks(self, table: Table, labels: np.ndarray, trusted: Any = None) -> None:
        """Warn once of all clinical columns that may tell the answer."""
        if self.clinical and not is_table_told():
            without = [] if self.image is None else [self.image]
            leaks = find_leaks(table, labels, without=without, trusted=trusted)
            warn_of_leaks(leaks, table)
