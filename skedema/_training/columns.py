"""The columns of a table: their names and order, and which of them hold scans."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from skedema._scan_column import Scans, take_scans
from skedema._told import is_table_told
from skedema.clinical.leaks import find_leaks, warn_of_leaks
from skedema.frames import Table, find_scan_columns, match_columns, read_patient, read_table


class Columns:
    """The columns of the table that `fit` was given.

    Parameters
    ----------
    table : Table
        As it was read.
    image : str, int, list of these, or None
        The columns that hold scans.
    owner : str
        The class that asks, for messages.
    reads_scans : bool, default=True
        Whether scans are asked for. If not, their columns are left out as if they were not there.

    Attributes
    ----------
    images : list of int
        Where scans stand, in the order of `image`.
    asked : list of int
        There, if scans are asked for.
    clinical : list of int
        Where everything else stands.
    """

    def __init__(self, table: Table, image: Any, owner: str, *, reads_scans: bool = True) -> None:
        self.names = table.keys
        self.n_columns = len(table.columns)
        self.owner = owner
        self.images = find_scan_columns(table, image)
        self.clinical = [p for p in range(self.n_columns) if p not in self.images]
        self.asked = self.images if reads_scans else []
        if self.images and not (reads_scans or self.clinical):
            raise ValueError(
                f"Without the scans of {_labels(table, self.images)} there is nothing "
                "to learn from: encoder=None needs clinical columns beside it."
            )

    @property
    def scan_names(self) -> list[Any]:
        """What the columns of scans that are asked for are called; positions without names."""
        return [p if self.names is None else self.names[p] for p in self.asked]

    @property
    def set_names(self) -> list[Any]:
        """What they and the changes from each to the next are called."""
        names = self.scan_names
        return [*names, *(f"{later} - {earlier}" for earlier, later in pairwise(names))]

    def read(self, X: Any) -> Table:
        """Read what a method after `fit` is given: a table, an array, or one patient."""
        scans = [] if self.names is None else [self.names[p] for p in self.images]
        patient = read_patient(X, self.names, scans)
        return self.match(read_table(X) if patient is None else patient)

    def match(self, table: Table) -> Table:
        """Bring a later table into the order of these columns."""
        return match_columns(table, self.names, self.n_columns, self.owner)

    def clinical_part(self, table: Table) -> Table:
        return table.select(self.clinical)

    def scans(self, table: Table, remote: Any = None) -> Scans:
        """Take the scans out of a table; all their files are looked for. See `take_scans`."""
        return take_scans(table, *self.asked, remote=remote)

    def refuse_no_scan(self, scans: Scans) -> None:
        """Refuse patients to learn from of whom none has a scan."""
        if not self.asked or scans.present.any():
            return
        several = len(self.asked) > 1
        labels = _labels(scans.table, self.asked)
        raise ValueError(
            f"{labels[:1].upper()}{labels[1:]} hold{'' if several else 's'} no scan at all among "
            "the patients to learn from. Do without a model of scans: give an "
            "AttentionMixerClassifier encoder=None, which leaves the "
            f"column{'s' if several else ''} out."
        )

    def warn_of_leaks(
        self, table: Table, labels: np.ndarray, trusted: Any = None, *, numbers: bool = False
    ) -> None:
        """Warn once of all clinical columns that may tell the answer: labels, or numbers."""
        if self.clinical and not is_table_told():
            leaks = find_leaks(table, labels, without=self.images, trusted=trusted, numbers=numbers)
            warn_of_leaks(leaks, table)


def _labels(table: Table, positions: list[int]) -> str:
    labels = " and ".join(table.columns[p].label for p in positions)
    return f"column{'s' if len(positions) > 1 else ''} {labels}"
