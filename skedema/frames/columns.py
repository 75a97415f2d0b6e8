"""Columns of a table, found by name or position and brought into the order of `fit`."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from skedema._registry import nearest_name
from skedema._told import tell
from skedema.frames.table import Column, Table, listed


def match_columns(table: Table, keys: Sequence[Any] | None, n_columns: int, owner: str) -> Table:
    """Bring a table into the column order of `fit`.

    Parameters
    ----------
    table : Table
        What a method after `fit` was given.
    keys : sequence or None
        The `Table.keys` of `fit`.
    n_columns : int
        The number of columns seen in `fit`.
    owner : str
        The class that asks, for messages.

    Returns
    -------
    Table
        With the columns in the order of `fit`. A table without names is matched by position and
        takes the names of `fit`: scikit-learn's tools strip names off on their way. Labels that
        count 0, 1, 2, ... name nothing, unless both tables have the same ones.

    Raises
    ------
    ValueError
        When columns are missing or extra; the message names them.

    Warns
    -----
    UserWarning
        When columns have names now and had none in `fit`, so that they are matched by position.

    Examples
    --------
    >>> import pandas as pd
    >>> from skedema.frames import match_columns, read_table
    >>> seen = read_table(pd.DataFrame({"age": [61], "sex": ["f"]}))
    >>> later = read_table(pd.DataFrame({"sex": ["m"], "age": [74]}))
    >>> match_columns(later, seen.keys, 2, "Model").names
    ['age', 'sex']
    """
    given = table.keys
    if given is not None and keys is not None:
        absent = [k for k in keys if k not in set(given)]
        extra = [k for k in given if k not in set(keys)]
        if not absent and not extra:
            return table.select([given.index(k) for k in keys])
        if not _only_count(given) and not _only_count(keys):
            parts = []
            if absent:
                parts.append(f"columns seen in fit and missing now: {listed(absent)}")
            if extra:
                parts.append(f"columns not seen in fit: {listed(extra)}")
            raise ValueError(
                f"X does not have the columns {owner} was fitted on; {'; '.join(parts)}. "
                "Give the columns of fit, in any order; a column of missing values stands for a "
                "variable that was not measured."
            )
    if len(table.columns) != n_columns:
        raise ValueError(
            f"X has {len(table.columns)} features, but {owner} is expecting {n_columns} features "
            "as input."
        )
    if keys is None or not isinstance(keys[0], str):
        if table.names is None:
            return table
        tell(
            f"X has feature names, but {owner} was fitted without feature names: columns are "
            "matched by position."
        )
        return Table(table.columns, None, table.n_rows, table.index, table.numbers)
    columns = [
        Column(repr(name), column.values, column.categorical)
        for name, column in zip(keys, table.columns, strict=True)
    ]
    return Table(columns, list(keys), table.n_rows, table.index, table.numbers)


def _only_count(keys: Sequence[Any]) -> bool:
    return list(keys) == list(range(len(keys)))


def find_column(table: Table, column: str | int, parameter: str) -> int:
    """Resolve a column given by name or position.

    Parameters
    ----------
    table : Table
        Where to look.
    column : str or int
        A name, or a position; negative positions count from the end.
    parameter : str
        The parameter that holds it, for messages.

    Returns
    -------
    int
        The position, from 0.

    Raises
    ------
    ValueError
        When there is no such column.
    TypeError
        When `column` is neither a text nor an integer.

    Examples
    --------
    >>> import pandas as pd
    >>> from skedema.frames import find_column, read_table
    >>> table = read_table(pd.DataFrame({"age": [61], "scan": ["a.nii.gz"]}))
    >>> find_column(table, "scan", "image"), find_column(table, -1, "image")
    (1, 1)
    >>> find_column(table, "scna", "image")
    Traceback (most recent call last):
        ...
    ValueError: image='scna': X has no such column. Did you mean 'scan'? Known: 'age', 'scan'.
    """
    if isinstance(column, str):
        if table.names is None:
            raise ValueError(
                f"{parameter}={column!r} names a column, but X has no column names: give the "
                "position as an integer, or a DataFrame."
            )
        if column not in table.names:
            raise ValueError(
                f"{parameter}={column!r}: X has no such column. {nearest_name(column, table.names)}"
            )
        return table.names.index(column)
    if isinstance(column, numbers.Integral) and not isinstance(column, bool):
        n_columns = len(table.columns)
        if column in (table.labels or ()) and table.labels.index(column) != column:
            raise ValueError(
                f"{parameter}={column} is the label of one column and the position of another. "
                "Give the columns names: df.columns = df.columns.astype(str)."
            )
        if not -n_columns <= int(column) < n_columns:
            raise ValueError(
                f"{parameter}={column}: X has {n_columns} columns, so a position lies between 0 "
                f"and {n_columns - 1}."
            )
        return int(column) % n_columns
    raise TypeError(
        f"{parameter} must be the name or the position of a column, or None; got {column!r}."
    )


def find_columns(table: Table, columns: Any, parameter: str) -> list[int]:
    """Resolve a list of columns given by name or position.

    Parameters
    ----------
    table : Table
        Where to look.
    columns : sequence of str or int, or None
        Names or positions; None for none.
    parameter : str
        The parameter that holds them, for messages.

    Returns
    -------
    list of int
        Positions, in the order given.

    Raises
    ------
    ValueError
        When there is no such column.
    TypeError
        When it is no list of columns.

    Examples
    --------
    >>> import pandas as pd
    >>> from skedema.frames import find_columns, read_table
    >>> table = read_table(pd.DataFrame({"age": [61], "sex": ["f"], "gcs": [15]}))
    >>> find_columns(table, ["gcs", 0], "trusted_columns")
    [2, 0]
    """
    if columns is None:
        return []
    if isinstance(columns, (str, bytes)) or not np.iterable(columns):
        raise TypeError(
            f"{parameter}={columns!r} must be a list of columns, such as [{columns!r}]."
        )
    return [find_column(table, column, parameter) for column in columns]


def find_scan_columns(table: Table, image: Any) -> list[int]:
    """Resolve the columns that hold scans.

    Parameters
    ----------
    table : Table
        Where to look.
    image : str, int, list of these, or None
        A name or a position; several in a list, whose order is kept. A list of one is as the one
        in it. None for a table without scans.

    Returns
    -------
    list of int
        Positions, in the order given.

    Raises
    ------
    ValueError
        When there is no such column, the list is empty, or it has a column twice.
    TypeError
        When it is something else.

    Examples
    --------
    >>> import pandas as pd
    >>> from skedema.frames import find_scan_columns, read_table
    >>> table = read_table(pd.DataFrame(columns=["baseline", "age", "followup"], data=[[None] * 3]))
    >>> find_scan_columns(table, ["followup", "baseline"]), find_scan_columns(table, "baseline")
    ([2, 0], [0])
    """
    if image is None:
        return []
    if isinstance(image, (set, frozenset, dict)):
        raise TypeError(
            "image must be the name or the position of a column, or a list of them: the order of "
            f"the scans counts, and a {type(image).__name__} has none; got {image!r}."
        )
    several = np.iterable(image) and not isinstance(image, (str, bytes))
    positions = [find_column(table, each, "image") for each in (image if several else [image])]
    if not positions:
        raise ValueError("image=[] names no column: give None for a model without scans.")
    twice = [position for k, position in enumerate(positions) if position in positions[:k]]
    if twice:
        raise ValueError(
            f"image={image!r} names column {table.columns[twice[0]].label} twice: name each column "
            "of scans once."
        )
    return positions
