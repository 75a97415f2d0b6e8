"""Columns that may tell the answer: found, listed, and warned of."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.multiclass import type_of_target

from skedema._told import tell
from skedema.clinical._giveaways import (
    IMPLAUSIBLE,
    Mark,
    alone,
    has_few_values,
    has_no_exception,
    is_one_to_one,
    marks,
    together,
)
from skedema.clinical._identifiers import identifying
from skedema.clinical._number_giveaways import tells_number
from skedema.frames import Column, Table, find_columns, listing
from skedema.scans import looks_like_scan

# Of more rows so many are drawn to look for what predicts.
_MOST_ROWS = 10_000
_TOLD = 10  # in one warning
# Where more than one in three columns tells the classes apart, none stands out from the others.
_OTHERS_TO_ONE = 3


@dataclass(frozen=True)
class Leak:
    """A sign that columns tell the answer, or who a patient is.

    `reason` follows on the columns in a sentence; `auc` is how well they predict, where that is the
    reason.
    """

    positions: tuple[int, ...]
    columns: tuple[str, ...]
    reason: str
    auc: float = np.nan

    def __str__(self) -> str:
        if len(self.columns) == 1:
            return f"column {self.columns[0]} {self.reason}"
        return f"columns {listing(self.columns)} {self.reason}"


def find_leaks(
    table: Table,
    labels: Any = None,
    *,
    without: Collection[int] = (),
    trusted: Any = None,
    numbers: bool | None = None,
) -> list[Leak]:
    """Find columns that may tell the answer.

    `labels` has no missing ones, or is of shape (n, k) for several labels a patient, NaN where one
    is not known; None is to look for identifiers and dates alone. They are `numbers` or classes;
    None: numbers if they are floats that are not all whole. Columns at the positions `without`,
    such as the scans', are left out, and those that are `trusted`, by name or position. The same
    table gives the same list, in the order of the columns; what several tell together comes last.
    """
    left_out = {*without, *find_columns(table, trusted, "trusted_columns")}
    positions = [p for p in range(len(table.columns)) if p not in left_out]
    keys = table.keys or [None] * len(table.columns)
    found = []
    for p in positions:
        reason = identifying(keys[p], _finite(table.columns[p], slice(None)))
        if reason is not None:
            found.append(_leak(table, [p], reason))
    if labels is not None:
        labels = np.asarray(labels)
        if are_numbers(labels, numbers):
            found += _giving_number_away(table, positions, labels)
        else:
            found += _giving_labels_away(table, positions, labels, found)
    return sorted(found, key=lambda leak: (len(leak.positions), leak.positions[0]))


def are_numbers(labels: np.ndarray, said: bool | None) -> bool:
    """Tell numbers from classes; where nobody `said`, they are floats that are not all whole."""
    if said is None:
        return labels.ndim == 1 and bool(type_of_target(labels) == "continuous")
    if said and labels.dtype.kind not in "biuf":
        try:
            labels.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"y holds {str(labels[0])!r}, and numbers=True is for numbers. Leave it out for "
                "classes."
            ) from error
    return said


def scan_columns(table: Table) -> list[int]:
    """List the positions of columns that hold scans by their looks."""
    return [
        p
        for p, column in enumerate(table.columns)
        if not column.is_numeric and any(map(looks_like_scan, column.values[~column.missing()]))
    ]


def warn_of_leaks(found: Sequence[Leak], table: Table) -> None:
    """Warn once of all that was found, with what speaks against each and what to do."""
    if not found:
        return
    positions = sorted({p for leak in found for p in leak.positions})
    names = [p if table.names is None else table.names[p] for p in positions]
    told = "; ".join(map(str, found[:_TOLD]))
    if len(found) > _TOLD:
        told += f"; and {len(found) - _TOLD} more"
    drop = f" (X.drop(columns={names}))" if table.names and table.index is not None else ""
    tell(
        "A model may read the answer off these columns, and be of no use for patients to come: "
        f"{told}. Leave out{drop} what is not known, or means nothing, when "
        "a patient is to be predicted. Of columns that may stay, say so: "
        f"trusted_columns={names}."
    )


def _each_label(labels: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Give for each label the rows in which it is known, and what it is there."""
    if labels.ndim == 1:
        yield np.ones(len(labels), dtype=bool), labels
        return
    for column in labels.T:
        known = ~np.isnan(column)
        yield known, column[known].astype(int)


def _some_rows(n: int) -> np.ndarray:
    if n <= _MOST_ROWS:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, _MOST_ROWS, replace=False))


def _giving_number_away(table: Table, positions: list[int], numbers: Any) -> list[Leak]:
    rows = _some_rows(len(table))
    target = np.asarray(numbers, dtype=np.float64)[rows]
    found = {p: tells_number(_finite(table.columns[p], rows), target) for p in positions}
    return [_leak(table, [p], reason) for p, reason in found.items() if reason is not None]


def _giving_labels_away(
    table: Table, positions: list[int], labels: np.ndarray, found: Sequence[Leak]
) -> list[Leak]:
    """Find what gives one label after the other away; a column is told of once."""
    leaks: list[Leak] = []
    for known, label in _each_label(labels):
        part = table if known.all() else table.take(np.flatnonzero(known))
        told = {leak.positions for leak in (*found, *leaks)}
        leaks += [x for x in _giving_away(part, positions, label) if x.positions not in told]
    return leaks


def _giving_away(table: Table, positions: list[int], labels: Any) -> list[Leak]:
    distinct, target = np.unique(np.asarray(labels), return_inverse=True)
    classes = distinct.tolist()
    rows = _some_rows(len(target))
    target = target[rows]
    columns = {p: _finite(table.columns[p], rows) for p in positions}
    found = {p: _of_one(column, target) for p, column in columns.items()}
    measured = [p for p, leak in found.items() if leak and not has_few_values(columns[p])]
    if len(measured) * _OTHERS_TO_ONE > len(positions):
        found |= dict.fromkeys(measured)  # the classes are that far apart: none stands out
    every_mark: list[Mark] = []
    for p, column in columns.items():
        if found[p] is not None:
            continue
        of_column = marks(column, p)
        every_mark += of_column
        telling = next((m for m in of_column if has_no_exception(m.held, target)), None)
        if telling is not None:
            n_held, of_class = int(telling.held.sum()), classes[target[telling.held][0]]
            found[p] = f"{telling.what} in {n_held} patients, all of class {of_class!r}", np.nan
    leaks = [_leak(table, [p], *why) for p, why in found.items() if why is not None]
    jointly = together(every_mark, target)
    if jointly is not None:
        chosen, of_class = jointly
        which = listing([f"{columns[mark.column].label} {mark.what}" for mark in chosen])
        held = np.any([mark.held for mark in chosen], axis=0)
        right = int((held & (target == of_class)).sum())
        reason = (
            f"tell class {classes[of_class]!r} together: {which}; one of these holds of "
            f"{right} of its {int((target == of_class).sum())} patients, and of "
            f"{int(held.sum()) - right} others"
        )
        leaks.append(_leak(table, sorted({mark.column for mark in chosen}), reason))
    return leaks


def _of_one(column: Column, target: np.ndarray) -> tuple[str, float] | None:
    missing = column.missing()
    if missing.any() and not missing.all():
        gaps = alone(Column(column.label, missing.astype(np.float64)), target)
        if gaps >= IMPLAUSIBLE:
            return f"tells y by where it is missing (AUC {gaps:.3f})", gaps
    auc = alone(column, target)
    if not auc >= IMPLAUSIBLE:
        return None
    if is_one_to_one(column, target):
        return "has a value of its own for each class of y", auc
    return f"tells y by itself (AUC {auc:.3f} out of fold)", auc


def _finite(column: Column, rows: Any) -> Column:
    """Take rows of a column; an infinity, which others refuse, counts as missing."""
    values = column.values[rows]
    if column.is_numeric:
        values = np.where(np.isinf(values), np.nan, values)
    return Column(column.label, values, column.categorical)


def _leak(table: Table, positions: list[int], reason: str, auc: float = np.nan) -> Leak:
    labels = tuple(table.columns[p].label for p in positions)
    return Leak(tuple(positions), labels, reason, auc)
