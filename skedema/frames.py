"""Tables as people have them, read once into plain columns: numbers, text, or raw cells."""

from __future__ import annotations

import datetime
import decimal
import numbers
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from scipy import sparse

from skedema._registry import nearest_name

_LISTED = 10
_TIME_REMEDY = (
    "Replace it by a duration in hours since an event that matters, such as "
    "(df['scan_time'] - df['onset_time']).dt.total_seconds() / 3600."
)


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    label : str
        How messages call it: ``'age'`` in quotes, or ``3`` for a column without a name.
    values : ndarray of shape (n_rows,)
        float64 with NaN for missing, where every value is a number or a boolean; otherwise
        objects with None for missing.
    categorical : bool
        True when the table itself says that the values are categories.
    """

    label: str
    values: np.ndarray
    categorical: bool = False

    @property
    def is_numeric(self) -> bool:
        """Whether the values are float64."""
        return bool(self.values.dtype == np.float64)

    def missing(self) -> np.ndarray:
        """Tell where the column is empty.

        Returns
        -------
        ndarray of bool of shape (n_rows,)
            True for a missing value.
        """
        if self.is_numeric:
            return np.asarray(np.isnan(self.values))
        return np.array([v is None for v in self.values], dtype=bool)


@dataclass(frozen=True)
class Table:
    """A table of patients.

    Attributes
    ----------
    columns : list of Column
        In the table's order.
    names : list of str or None
        None for a table without column names.
    n_rows : int
        Number of patients.
    index : pandas.Index or None
        The row labels, when the table was a pandas DataFrame.
    numbers : ndarray of int of shape (n_rows,) or None
        Which rows of the user's table these are, when some were left out.
    """

    columns: list[Column]
    names: list[str] | None
    n_rows: int
    index: pd.Index | None = field(default=None, repr=False)
    numbers: np.ndarray | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return self.n_rows

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.n_rows, len(self.columns)

    def rows(self, selected: np.ndarray) -> str:
        """Name rows in a message.

        Parameters
        ----------
        selected : ndarray of bool of shape (n_rows,) or of int
            The rows to name.

        Returns
        -------
        str
            Such as ``row 3`` or ``rows 3, 17 (index 'P003', 'P017')``, ten at most.
        """
        positions = np.flatnonzero(selected) if selected.dtype == bool else selected
        shown = positions if self.numbers is None else self.numbers[positions]
        text = listing([str(p) for p in shown])
        text = f"row{'s' if len(positions) > 1 else ''} {text}"
        if self.index is not None and not isinstance(self.index, pd.RangeIndex):
            text += f" (index {listing([repr(v) for v in self.index[positions].tolist()])})"
        return text

    def select(self, positions: Sequence[int]) -> Table:
        """Keep some columns.

        Parameters
        ----------
        positions : sequence of int
            Which, in the new order.

        Returns
        -------
        Table
            A new table.
        """
        names = None if self.names is None else [self.names[p] for p in positions]
        columns = [self.columns[p] for p in positions]
        return Table(columns, names, self.n_rows, self.index, self.numbers)

    def take(self, rows: np.ndarray) -> Table:
        """Keep some rows.

        Parameters
        ----------
        rows : ndarray of int or bool
            Which.

        Returns
        -------
        Table
            A new table, which still knows the rows' numbers in the user's.
        """
        columns = [Column(c.label, c.values[rows], c.categorical) for c in self.columns]
        numbers = np.arange(self.n_rows) if self.numbers is None else self.numbers
        index = None if self.index is None else self.index[rows]
        return Table(columns, self.names, len(numbers[rows]), index, numbers[rows])

    def to_pandas(self) -> pd.DataFrame:
        """Give the table to code that knows pandas only.

        Returns
        -------
        DataFrame
            Numbers as float64, categories as category, everything else as objects.
        """
        names = self.names or [f"x{i}" for i in range(len(self.columns))]
        data = {
            name: pd.Series(column.values, dtype="category" if column.categorical else None)
            for name, column in zip(names, self.columns, strict=True)
        }
        frame = pd.DataFrame(data, index=range(self.n_rows))
        return frame if self.index is None else frame.set_index(self.index)


def listing(items: Sequence[str]) -> str:
    """Join up to ten items and say how many are left out.

    Parameters
    ----------
    items : sequence of str
        What to list.

    Returns
    -------
    str
        Such as "a, b, ... (12 in all)".
    """
    shown = ", ".join(items[:_LISTED])
    return shown if len(items) <= _LISTED else f"{shown}, ... ({len(items)} in all)"


def read_table(X: Any) -> Table:
    """Read a table.

    Parameters
    ----------
    X : DataFrame (pandas, polars or another eager one that narwhals knows), 2-D array, list of \
rows, or Table
        One row a patient. A Table comes back as it is.

    Returns
    -------
    Table
        The same rows and columns.

    Raises
    ------
    TypeError
        When X is sparse, lazy, or holds cells that are no clinical value and no scan.
    ValueError
        When X has not two dimensions, is empty, has two columns of one name, or holds complex
        numbers or date-times.

    Examples
    --------
    >>> import pandas as pd
    >>> table = read_table(pd.DataFrame({"age": [61, None], "sex": ["f", "m"]}))
    >>> table.names, [column.is_numeric for column in table.columns]
    (['age', 'sex'], [True, False])
    """
    if isinstance(X, Table):
        return X
    if sparse.issparse(X):
        raise TypeError(
            "Sparse data was passed, but a dense table is needed: use X.toarray() for a matrix."
        )
    if X is None or isinstance(X, (str, bytes, dict)) or np.isscalar(X):
        raise ValueError(
            f"Expected 2D array or a DataFrame with one row a patient, got {type(X).__name__}."
        )
    _refuse_duplicate_names(X)
    frame = nw.from_native(X, eager_only=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        return _from_frame(frame, X)
    if hasattr(X, "collect") and hasattr(X, "collect_schema"):
        raise TypeError("A lazy frame was passed; use X.collect() to give the rows themselves.")
    if isinstance(X, pd.Series) or isinstance(
        nw.from_native(X, series_only=True, pass_through=True), nw.Series
    ):
        raise ValueError(
            "Expected 2D array or a DataFrame, got a Series (1D array instead). "
            "Reshape your data: series.to_frame() gives a table of one column."
        )
    return _from_array(X)


def match_columns(table: Table, names: Sequence[str] | None, n_columns: int, owner: str) -> Table:
    """Bring a table into the column order of `fit`.

    Parameters
    ----------
    table : Table
        What a method after `fit` was given.
    names : sequence of str or None
        The column names seen in `fit`.
    n_columns : int
        The number of columns seen in `fit`.
    owner : str
        The class that asks, for messages.

    Returns
    -------
    Table
        With the columns in the order of `fit`. A table without names is matched by position and
        takes the names of `fit`: scikit-learn's tools strip names off on their way.

    Raises
    ------
    ValueError
        When columns are missing or extra; the message names them.
    """
    if table.names is not None and names is not None:
        absent = [n for n in names if n not in table.names]
        extra = [n for n in table.names if n not in names]
        if absent or extra:
            parts = []
            if absent:
                parts.append(f"columns seen in fit and missing now: {listing(absent)}")
            if extra:
                parts.append(f"columns not seen in fit: {listing(extra)}")
            raise ValueError(
                f"X does not have the columns {owner} was fitted on; {'; '.join(parts)}. "
                "Give the columns of fit, in any order; a column of missing values stands for a "
                "variable that was not measured."
            )
        return table.select([table.names.index(n) for n in names])
    if len(table.columns) != n_columns:
        raise ValueError(
            f"X has {len(table.columns)} features, but {owner} is expecting {n_columns} features "
            "as input."
        )
    if names is None:
        return table
    columns = [
        Column(repr(name), column.values, column.categorical)
        for name, column in zip(names, table.columns, strict=True)
    ]
    return Table(columns, list(names), table.n_rows, table.index, table.numbers)


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
        if not -n_columns <= int(column) < n_columns:
            raise ValueError(
                f"{parameter}={column}: X has {n_columns} columns, so a position lies between 0 "
                f"and {n_columns - 1}."
            )
        return int(column) % n_columns
    raise TypeError(
        f"{parameter} must be the name or the position of a column, or None; got {column!r}."
    )


def _refuse_duplicate_names(X: Any) -> None:
    names = getattr(X, "columns", None)
    if names is None or callable(names):
        return
    names = list(names)
    twice = sorted({str(n) for n in names if names.count(n) > 1})
    if twice:
        raise ValueError(
            f"X has more than one column named {listing([repr(n) for n in twice])}. Rename or "
            "drop the surplus ones: df.loc[:, ~df.columns.duplicated()] keeps the first of each."
        )


def _from_frame(frame: Any, native: Any) -> Table:
    raw_names = list(native.columns) if hasattr(native, "columns") else list(frame.columns)
    named = [isinstance(n, str) for n in raw_names]
    if any(named) and not all(named):
        raise TypeError(
            "Column names must be all text or all something else, as scikit-learn asks; got "
            f"{listing([repr(n) for n in raw_names])}. Use df.columns = df.columns.astype(str)."
        )
    names = [str(n) for n in raw_names] if raw_names and all(named) else None
    n_rows = len(frame)
    _refuse_empty(n_rows, len(raw_names))
    index = native.index if isinstance(native, pd.DataFrame) else None
    shell = Table([], names, n_rows, index)
    columns = []
    for position, name in enumerate(raw_names):
        if isinstance(native, pd.DataFrame):
            series = nw.from_native(native.iloc[:, position], series_only=True)
        else:
            series = frame[:, position]
        columns.append(_from_series(series, repr(name), shell))
    return Table(columns, names, n_rows, index)


def _from_series(series: Any, label: str, shell: Table) -> Column:
    dtype = series.dtype
    if dtype == nw.Boolean or (dtype.is_numeric() and dtype != nw.Decimal):
        values = series.cast(nw.Float64).to_numpy()
        return Column(label, np.asarray(values, dtype=np.float64))
    if dtype.is_temporal():
        _refuse_times(label)
    native = series.to_native()
    if isinstance(native, pd.Series):
        if isinstance(native.dtype, pd.SparseDtype):
            native = native.sparse.to_dense()
            return _from_cells(native.to_numpy(), label, shell)
        cells = native.to_numpy(dtype=object)
    else:
        cells = _cells(series.to_list())
    return _from_cells(cells, label, shell, dtype in (nw.Categorical, nw.Enum))


def _from_array(X: Any) -> Table:
    if isinstance(X, (list, tuple)):
        X = _from_rows(X)
    array = np.asarray(X)
    if array.ndim != 2:
        raise ValueError(
            f"Expected 2D array, got {array.ndim}D array instead. Reshape your data: one row a "
            "patient, one column a variable; array.reshape(-1, 1) for a single variable, "
            "array.reshape(1, -1) for a single patient."
        )
    _refuse_empty(*array.shape)
    shell = Table([], None, len(array))
    columns = [_from_cells(array[:, i], str(i), shell) for i in range(array.shape[1])]
    return Table(columns, None, len(array))


def _from_rows(rows: Sequence[Any]) -> np.ndarray:
    """Keep each cell as it is: ``np.asarray`` would turn numbers beside text into text."""
    if not rows or not all(isinstance(r, (list, tuple, np.ndarray)) for r in rows):
        return np.asarray(rows)
    lengths = sorted({len(r) for r in rows})
    if len(lengths) > 1:
        raise ValueError(f"The rows of X differ in length: {listing([str(n) for n in lengths])}.")
    array = np.empty((len(rows), lengths[0]), dtype=object)
    for i, row in enumerate(rows):
        for j, cell in enumerate(row):
            array[i, j] = cell
    return array


def _refuse_empty(n_rows: int, n_columns: int) -> None:
    for n, what in ((n_rows, "sample(s)"), (n_columns, "feature(s)")):
        if n == 0:
            raise ValueError(
                f"Found array with 0 {what} (shape=({n_rows}, {n_columns})) while a minimum of 1 "
                "is required."
            )


def _cells(values: Iterable[Any]) -> np.ndarray:
    values = list(values)
    cells = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        cells[i] = value
    return cells


def _from_cells(values: np.ndarray, label: str, shell: Table, categorical: bool = False) -> Column:
    if values.dtype.kind in "biuf":
        return Column(label, values.astype(np.float64))
    if values.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: column {label} holds complex numbers.")
    if values.dtype.kind in "mM":
        _refuse_times(label)
    cells = _cells(values)
    empty = np.asarray(pd.isna(cells), dtype=bool)
    cells[empty] = None
    present = cells[~empty]
    kinds = {type(v) for v in present}
    if any(
        issubclass(
            k,
            (
                datetime.date,
                datetime.time,
                datetime.timedelta,
                np.datetime64,
                np.timedelta64,
                pd.Period,
            ),
        )
        for k in kinds
    ):
        _refuse_times(label)
    if any(issubclass(k, (complex, np.complexfloating)) for k in kinds):
        raise ValueError(f"Complex data not supported: column {label} holds complex numbers.")
    if not categorical and all(
        issubclass(k, (numbers.Real, np.bool_, decimal.Decimal)) for k in kinds
    ):
        # An integer such as 10**400 does not fit a float.
        try:
            numeric = np.full(len(cells), np.nan)
            numeric[~empty] = [float(v) for v in present]
        except OverflowError:
            raise ValueError(
                f"Column {label} holds an integer that is too large for a float64, "
                f"{shell.rows(~empty)} among them."
            ) from None
        return Column(label, numeric)
    return Column(label, cells, categorical)


def _refuse_times(label: str) -> None:
    raise ValueError(
        f"Column {label} holds dates or times, which are no clinical value by "
        f"themselves. {_TIME_REMEDY}"
    )
