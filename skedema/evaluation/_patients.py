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


def warn_of_repeated_patients(
    X: Any, groups: NDArray[Any] | None = None, harm: str | None = None
) -> None:
    """Warn where rows seem to share a patient, though they are not of one group.

    That is when a scan is in several rows, be it by another path, through a link or as a copy; when
    rows agree in all clinical values, three or more of them numbers that no other row has; and
    without `groups`, when labels of an index, other than a count of rows, are repeated. What is no
    table of columns is not looked at. The `harm` is what comes of it; None is that of folds.
    """
    harm = (
        harm or "a model would be tested on those that it was trained on, and figures be too good"
    )
    if groups is None and isinstance(X, pd.DataFrame) and not isinstance(X.index, pd.RangeIndex):
        repeated = X.index[X.index.duplicated()]
        if len(repeated):
            _warn(
                f"The index of X has {repeated.nunique()} labels in several rows, such as "
                f"{repeated[0]!r}.",
                groups,
                harm,
                " If the index means nothing, drop it: X.reset_index(drop=True).",
            )
    try:
        table, _ = read_leniently(X)
    except (TypeError, ValueError):
        return
    scans = scan_columns(table)
    columns = [table.columns[position] for position in scans]
    same = [each for each in _shared(columns) if any(_apart([each[0]], groups))]
    if same:
        rows, names = same[0]
        _warn(
            f"{counted(len(same), 'scan', 'scans')} of {_labels(columns)} "
            f"{'is' if len(same) == 1 else 'are'} in several rows (the same file, or a copy of "
            f"it), such as {listing(names)} in "
            f"{table.rows(np.array(rows))}.",
            groups,
            harm,
        )
    clinical = [c for p, c in enumerate(table.columns) if p not in scans]
    alike = list(_apart(_alike(clinical, len(table)), groups))
    if alike:
        _warn(
            f"{sum(map(len, alike))} rows have the clinical values of another one, such as "
            f"{table.rows(np.array(alike[0]))}.",
            groups,
            harm,
        )


def warn_of_shared_patients(X: Any, others: Any, groups: Any = None, of_others: Any = None) -> None:
    """Warn where patients of X seem to be among those of another table.

    By the signs of `warn_of_repeated_patients`: the same scan, or the same clinical values. And by
    the same value in `groups`, unless these only count.
    """
    signs = []
    if groups is not None and of_others is not None and not (_counts(groups) or _counts(of_others)):
        shared = sorted(set(groups.tolist()) & set(of_others.tolist()), key=repr)
        if shared:
            signs.append(f"{counted(len(shared), 'group', 'groups')}, such as {shared[0]!r}")
    signs += _common_rows(X, others)
    if signs:
        tell(
            "The patients to validate on share with those that the models were fitted on: "
            f"{'; '.join(signs)}. Known patients make every figure too good: leave them out. If "
            "they are other people with the same names in groups=, give these names of their own."
        )


def _common_rows(X: Any, others: Any) -> list[str]:
    """List what rows of two tables have in common that tells a patient."""
    try:
        table, beside = read_leniently(X)[0], read_leniently(others)[0]
    except (TypeError, ValueError):
        return []
    if table.names and beside.names and set(table.names) == set(beside.names):
        beside = beside.select([beside.names.index(name) for name in table.names])
    if len(table.columns) != len(beside.columns):
        return []
    n = len(table)
    pairs = zip(table.columns, beside.columns, strict=True)
    columns = [_one_below_the_other(*pair) for pair in pairs]
    scans = sorted({*scan_columns(table), *scan_columns(beside)})
    clinical = [column for p, column in enumerate(columns) if p not in scans]
    of_scans = [columns[p] for p in scans]
    found = {f"scan of {_labels(of_scans)}": [rows for rows, _ in _shared(of_scans)]}
    found["clinical values"] = _alike(clinical, n + len(beside))
    signs = []
    for what, sets in found.items():
        across = [np.array(rows) for rows in sets if min(rows) < n <= max(rows)]
        if across:
            first = across[0]
            signs.append(
                f"the {what} of {counted(len(across), 'patient', 'patients')}, such as in "
                f"{table.rows(first[first < n])} of X and {beside.rows(first[first >= n] - n)} of "
                "the others"
            )
    return signs


def _shared(columns: list[Column]) -> list[tuple[list[int], list[str]]]:
    """List rows that have the same scan, in whatever of these columns, and what it is called."""
    cells = [cell for of_row in zip(*(c.values for c in columns), strict=True) for cell in of_row]
    found = []
    for positions in same_scans(cells):
        rows = list(dict.fromkeys(position // len(columns) for position in positions))
        if len(rows) > 1:
            found.append((rows, list(dict.fromkeys(_name(cells[p]) for p in positions))))
    return found


def _labels(columns: list[Column]) -> str:
    labels = " or ".join(column.label for column in columns)
    return f"column{'s' if len(columns) > 1 else ''} {labels}"


def _counts(groups: NDArray[Any]) -> bool:
    """Tell whether groups are numbers that count patients, which say nothing elsewhere."""
    return groups.dtype.kind in "iufb" and bool((groups.astype(float) <= 2 * len(groups)).all())


def _one_below_the_other(first: Column, second: Column) -> Column:
    if first.is_numeric and second.is_numeric:
        return Column(first.label, np.concatenate([first.values, second.values]))
    values = [each.values.astype(object) for each in (first, second)]
    return Column(first.label, np.concatenate(values))


def _warn(sign: str, groups: NDArray[Any] | None, harm: str, remedy: str = "") -> None:
    give = (
        "give groups=, the patient of each row."
        if groups is None
        else "give them one value in groups=."
    )
    tell(f"{sign} If rows share a patient, {harm}: {give}{remedy}")


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
