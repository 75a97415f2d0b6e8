"""Tables of pandas as tables of a page."""

from __future__ import annotations

import re
from numbers import Integral, Real
from typing import Any

import pandas as pd

from skedema._pages.pieces import Table

# "0.80 (0.69 to 0.89)", "12 (30%)": stands to the right and in one line, as numbers do.
_STARTS_WITH_NUMBER = re.compile(r"(-?\d[\d.]*%?( \(.{1,30}\))?|\N{EN DASH})$")
_NOTHING = "\N{EN DASH}"


def table_of(
    frame: pd.DataFrame, caption: str, *, digits: int = 3, index: bool = True, note: str = ""
) -> Table:
    """Write a table as texts.

    Parameters
    ----------
    frame : DataFrame
        Of columns with one level of names.
    caption : str
        What the table is of.
    digits : int, default=3
        Of numbers that are not whole, after the point.
    index : bool, default=True
        Whether the levels of the index are columns, too, and each row's heading; else the first
        column is.
    note : str, default=""
        Below the table.
    """
    n_headers = frame.index.nlevels if index else 1
    if index:
        names = ["" if name is None else str(name) for name in frame.index.names]
        levels = [frame.index.get_level_values(k) for k in range(frame.index.nlevels)]
    else:
        names, levels = [], []
    columns = [*levels, *(frame.iloc[:, k] for k in range(frame.shape[1]))]
    cells = [[_written(value, digits) for value in column] for column in columns]
    return Table(
        caption=caption,
        columns=[*names, *map(str, frame.columns)],
        rows=[list(row) for row in zip(*cells, strict=True)],
        n_headers=n_headers,
        numbers=frozenset(
            k
            for k, (column, texts) in enumerate(zip(columns, cells, strict=True))
            if _of_numbers(column) or all(map(_STARTS_WITH_NUMBER.match, texts))
        ),
        note=note,
    )


def _of_numbers(column: Any) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _written(value: Any, digits: int) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_written(each, digits) for each in value) or _NOTHING
    if value is None or value is pd.NA or value is pd.NaT:
        return _NOTHING
    if isinstance(value, bool) or type(value).__name__ == "bool_":
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return str(value)
    if isinstance(value, Real):
        return _NOTHING if value != value else f"{float(value):.{digits}f}"
    return str(value)
