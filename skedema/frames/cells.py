"""Cells of any table: which hold a value, without some of them, from other rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

Bools = NDArray[np.bool_]


def labels_of(X: Any) -> list[Any]:
    """List what the columns of a table are called: names, or positions."""
    if isinstance(X, pd.DataFrame):
        return list(X.columns)
    if isinstance(X, np.ndarray) and X.ndim == 2:
        return list(range(X.shape[1]))
    frame = nw.from_native(X, eager_only=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        return list(frame.columns)
    raise TypeError(f"X must be a DataFrame or an array of two axes, got {type(X).__name__}.")


def present(X: Any, positions: Sequence[int]) -> Bools:
    """Tell which cells of some columns hold a value; of shape (n_rows, n_columns)."""
    return np.column_stack([~_missing(X, position) for position in positions])


def without(X: Any, positions: Sequence[int], cells: Bools) -> Any:
    """Copy a table with some cells missing; columns that lose none stay as they are.

    Integers and booleans that cannot be missing become float64.
    """
    lossy = [(p, cells[:, k]) for k, p in enumerate(positions) if cells[:, k].any()]
    if isinstance(X, pd.DataFrame):
        frame = X.copy(deep=False)
        for position, gone in lossy:
            frame.isetitem(position, _gapped(X.iloc[:, position], gone))
        return frame
    if isinstance(X, np.ndarray):
        kinds = {"b": np.float64, "i": np.float64, "u": np.float64, "U": object}
        array = X.astype(kinds.get(X.dtype.kind, X.dtype))
        for position, gone in lossy:
            array[gone, position] = np.nan
        return array
    columns = nw.from_native(X, eager_only=True)
    names = columns.columns
    for position, gone in lossy:
        column = columns[names[position]]
        kept = [value if keep else None for value, keep in zip(column, ~gone, strict=True)]
        columns = columns.with_columns(_like(column, kept))
    return columns.to_native()


def rearranged(
    X: Any, rows: NDArray[np.intp], others: Mapping[int, NDArray[np.intp]] | None = None
) -> Any:
    """Take rows of a table, and the cells of some columns, by position, from other rows.

    Row labels of a pandas table are dropped.
    """
    others = others or {}
    if isinstance(X, pd.DataFrame):
        frame = X.iloc[rows].reset_index(drop=True)
        for position, order in others.items():
            frame.isetitem(position, X.iloc[order, position].reset_index(drop=True))
        return frame
    if isinstance(X, np.ndarray):
        array = X[rows]
        for position, order in others.items():
            array[:, position] = X[order, position]
        return array
    table = nw.from_native(X, eager_only=True)
    taken = table[rows.tolist()]
    for position, order in others.items():
        taken = taken.with_columns(table[table.columns[position]][order.tolist()])
    return taken.to_native()


def _missing(X: Any, position: int) -> Bools:
    if isinstance(X, pd.DataFrame):
        return np.asarray(X.iloc[:, position].isna(), dtype=bool)
    if isinstance(X, np.ndarray):
        return np.asarray(pd.isna(X[:, position]), dtype=bool)
    table = nw.from_native(X, eager_only=True)
    column = table[table.columns[position]]
    gone = column.is_null()
    if column.dtype.is_float():
        gone = gone | column.is_nan().fill_null(True)
    return np.asarray(gone.to_numpy(), dtype=bool)


def _gapped(column: pd.Series, gone: Bools) -> pd.Series:
    if column.dtype == object:
        cells = column.to_numpy(dtype=object, copy=True)
        cells[gone] = np.nan
        return pd.Series(cells, column.index, dtype=object, name=column.name)
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biu":
        column = column.astype(np.float64)
    return column.mask(gone)


def _like(column: Any, values: list[Any]) -> Any:
    return nw.new_series(column.name, values, column.dtype, backend=column.implementation)
