"""What `fit` is given: read, checked, and split for early stopping."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from skedema._scan_column import Scans
from skedema._training.columns import Columns
from skedema.frames import Table, read_table
from skedema.frames.weights import read_weights

# "auto": a tenth of fewer patients than this decides on noise when to stop.
_EARLY_STOPPING_PATIENTS = 500
_EARLY_STOPPING_IN_CLASS = 10


@dataclass(frozen=True)
class Cohort:
    """Patients to learn from: their table and the scans in it, labels, and weights above 0."""

    columns: Columns
    table: Table
    scans: Scans
    labels: np.ndarray
    weight: np.ndarray

    def take(self, rows: np.ndarray) -> Cohort:
        return Cohort(
            self.columns,
            self.table.take(rows),
            self.scans.take(rows),
            self.labels[rows],
            self.weight[rows],
        )


def read_cohort(
    X: Any,
    y: Any,
    sample_weight: Any,
    *,
    read_y: Callable[[Any, Table], np.ndarray],
    columns: Columns | None,
    new_columns: Callable[[Table], Columns],
    remote: Any = None,
) -> Cohort:
    """Read the arguments of `fit`; patients of weight 0 are left out.

    Where an earlier fit goes on, its `columns` are those of the table.
    """
    if _width(y) > 1 and _width(X) == 1:
        raise ValueError(
            "X and y look swapped: X has one column and y several. The table comes first, then the "
            "labels: fit(X, y)."
        )
    table = read_table(X)
    if columns is not None:
        table = columns.match(table)
    labels = read_y(y, table)
    weight = read_weights(sample_weight, table)
    kept = weight > 0
    if not kept.all():
        table, labels, weight = table.take(kept), labels[kept], weight[kept]
    if columns is None:
        columns = new_columns(table)
    return Cohort(columns, table, columns.scans(table, remote), labels, weight)


def _width(given: Any) -> int:
    """Count the columns of a table or an array, as far as its form tells; 0 where it does not."""
    if isinstance(given, (list, tuple)) and given:
        return len(given[0]) if isinstance(given[0], (list, tuple, np.ndarray)) else 1
    shape: tuple[int, ...] = getattr(given, "shape", ())
    return shape[1] if len(shape) == 2 else len(shape) == 1


def split_patients(
    codes: np.ndarray,
    n_classes: int,
    *,
    early_stopping: bool | str,
    validation_fraction: float,
    seed: int,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Split off the patients that decide when to stop.

    Gives the rows to learn from, and those to watch; None without early stopping.
    """
    everyone = np.arange(len(codes))
    counts = np.bincount(codes, minlength=n_classes)
    if early_stopping == "auto":
        early_stopping = (
            len(codes) >= _EARLY_STOPPING_PATIENTS and counts.min() >= _EARLY_STOPPING_IN_CLASS
        )
    if not early_stopping:
        return everyone, None
    try:
        train, valid = train_test_split(
            everyone, test_size=validation_fraction, stratify=codes, random_state=seed
        )
    except ValueError as error:
        raise ValueError(
            "early_stopping=True needs patients of every class on both sides of the split; the "
            f"classes have {counts.tolist()} and validation_fraction is {validation_fraction}: "
            f"{error} Use early_stopping=False."
        ) from error
    return np.sort(train), np.sort(valid)
