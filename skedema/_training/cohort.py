"""What `fit` is given: read, checked, and split for early stopping."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from skedema._scan_column import Scans
from skedema._training.columns import Columns
from skedema._training.target import Target
from skedema.frames import Table, read_table
from skedema.frames.weights import read_weights

# "auto": a tenth of fewer patients than this decides on noise when to stop.
_EARLY_STOPPING_PATIENTS = 500
_EARLY_STOPPING_IN_GROUP = 10


@dataclass(frozen=True)
class Cohort:
    """Patients to learn from: their table and the scans in it, targets, and weights above 0."""

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
    target: Target,
    *,
    early_stopping: bool | str,
    validation_fraction: float,
    seed: int,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Split off the patients that decide when to stop.

    Gives the rows to learn from, and those to watch; None without early stopping.
    """
    everyone, sizes = np.arange(len(target.values)), target.sizes
    if early_stopping == "auto":
        many = len(everyone) >= _EARLY_STOPPING_PATIENTS
        early_stopping = many and sizes.min() >= _EARLY_STOPPING_IN_GROUP
    if not early_stopping:
        return everyone, None
    split = partial(train_test_split, everyone, test_size=validation_fraction, random_state=seed)
    try:
        train, valid = split(stratify=target.strata)
    except ValueError as error:
        one, several = target.kind.group
        if target.kind.splits_every_stratum:
            raise ValueError(
                f"early_stopping=True needs patients of every {one} on both sides of the split; "
                f"the {several} have {sizes.tolist()} and validation_fraction is "
                f"{validation_fraction}: {error} Use early_stopping=False."
            ) from error
        train, valid = split()
    return np.sort(train), np.sort(valid)
