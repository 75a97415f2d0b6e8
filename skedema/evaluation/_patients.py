"""Signs that a patient is in several rows of a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skedema._told import tell
from skedema.clinical.leaks import scan_columns
from skedema.frames import Column, counted, listing
from skedema.frames.leniently import read_leniently
from skedema.scans._same import same_scans

# Of so many measurements that nobody else has it is no chance that two rows share them all.
_SHARED_VALUES = 3


def warn_of_repeated_patients(X: Any, groups: NDArray[Any] | None = None) -> None:
    """Warn where rows seem to share a patient, though they are not of one group.

    That is when a scan is in several rows, be it by another path, through a link or as a copy; when
    rows agree in all clinical values, three or more of them numbers that no other row has; and
    without `groups`, when labels of an index, other than a count of rows, are repeated. What is no
    table of columns is not looked at.
    """
    if groups is None and isinstance(X, pd.DataFrame) and not isinstance(X.index, pd.RangeIndex):
        repeated = X.index[X.index.duplicated()]
        if len(repeated):
            _warn(
                f"The index of X has {repeated.nunique()} labels in several rows, such as "
                f"{repeated[0]!r}.",
                groups,
                " If the index means nothing, drop it: X.reset_index(drop=True).",
            )
    try:
        table, _ = read_leniently(X)
    except (TypeError, ValueError):
        return
    scans = scan_columns(table)
    for position in scans:
        column = table.columns[position]
        same = list(_apart(same_scans(column.values.tolist()), groups))
        if same:
            names = dict.fromkeys(_name(column.values[row]) for row in same[0])
            _warn(
                f"{counted(len(same), 'scan', 'scans')} of column {column.label} "
                f"{'is' if len(same) == 1 else 'are'} in several rows (the same file, or a copy of "
                f"it), such as {listing(list(names))} in "
                f"{table.rows(np.array(same[0]))}.",
                groups,
            )
    clinical = [c for p, c in enumerate(table.columns) if p not in scans]
    alike = list(_apart(_alike(clinical, len(table)), groups))
    if alike:
        _warn(
            f"{sum(map(len, alike))} rows have the clinical values of another one, such as "
            f"{table.rows(np.array(alike[0]))}.",
            groups,
        )


def _warn(sign: str, groups: NDArray[Any] | None, remedy: str = "") -> None:
    give = (
        "give groups=, the patient of each row."
        if groups is None
        else "give them one value in groups=."
    )
    tell(
        f"{sign} If rows share a patient, a model would be tested on those that it was trained "
        f"on, and every figure be too good: {give}{remedy}"
    )


def _apart(sets: list[list[int]], groups: NDArray[Any] | None) -> Iterator[list[int]]:
    """Give the sets of rows that are not of one group."""
    for rows in sets:
        if groups is None or len(set(groups[rows].tolist())) > 1:
            yield rows


def _alike(columns: list[Column], n_rows: int) -> list[list[int]]:
    """List sets of rows that agree in everything, and in numbers that nobody else has."""
    try:
        codes = [pd.factorize(column.values)[0] for column in columns]
    except TypeError:  # cells that cannot be compared
        return []
    numeric = [k for k, column in enumerate(columns) if column.is_numeric]
    if len(numeric) < _SHARED_VALUES:
        return []
    table = pd.DataFrame(dict(enumerate(codes)), index=range(n_rows))
    repeated = table[table.duplicated(keep=False)]
    if repeated.empty:
        return []
    counts = {k: np.bincount(codes[k] + 1) for k in numeric}  # the missing ones first
    found = []
    for rows in repeated.groupby(list(repeated.columns), sort=False).groups.values():
        of_one = repeated.loc[rows[0]]
        own = [k for k in numeric if of_one[k] >= 0 and counts[k][of_one[k] + 1] == len(rows)]
        if len(own) >= _SHARED_VALUES:
            found.append([int(row) for row in rows])
    return found


def _name(cell: Any) -> str:
    return repr(cell) if isinstance(cell, str) else str(cell)[:80]
