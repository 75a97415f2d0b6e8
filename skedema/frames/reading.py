"""From a table as people have it, a DataFrame or an array, to a `Table` of plain columns."""

from __future__ import annotations

import datetime
import decimal
import numbers
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from scipy import sparse

from skedema._told import is_table_told, tell
from skedema.frames.missing import means_missing
from skedema.frames.parts import numbers_in_whole
from skedema.frames.table import Column, Table, listed, listing, unmasked

#: From here on, a float64 cannot tell every integer from its neighbours; they are kept as objects.
LARGEST_EXACT = 2**53

_TIMES = (
    datetime.date,
    datetime.time,
    datetime.timedelta,
    np.datetime64,
    np.timedelta64,
    pd.Period,
)


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
        When X is sparse or lazy.
    ValueError
        When X has not two dimensions, is empty, has two columns of one name, or holds complex
        numbers or date-times.

    Warns
    -----
    UserWarning
        Once, when texts such as "NA" stand for missing values.

    Examples
    --------
    >>> import pandas as pd
    >>> table = read_table(pd.DataFrame({"age": [61, None], "sex": ["f", "m"]}))
    >>> table.names, [column.is_numeric for column in table.columns]
    (['age', 'sex'], [True, False])
    """
    table = read_quietly(X)
    return table if table is X else tell_of_words(table)


def read_quietly(X: Any) -> Table:
    """Read a table as `read_table`, without telling of texts that are missing values."""
    if isinstance(X, Table):
        return X
    if sparse.issparse(X):
        raise TypeError(
            "Sparse data was passed, but a dense table is needed: use X.toarray() for a matrix."
        )
    if isinstance(X, Mapping):
        raise ValueError(
            f"Expected 2D array or a DataFrame with one row a patient, got {type(X).__name__}. "
            "pd.DataFrame(X) makes a table of a dict of columns, pd.DataFrame([X]) one of the "
            "values of one patient."
        )
    if X is None or isinstance(X, (str, bytes)) or np.isscalar(X):
        raise ValueError(
            f"Expected 2D array or a DataFrame with one row a patient, got {type(X).__name__}. "
            "pd.read_csv(path) reads a file."
        )
    if isinstance(X, pd.DataFrame):
        return _from_pandas(X)
    frame = nw.from_native(X, eager_only=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        return _from_frame(frame, numbers_in_whole(X))
    if hasattr(X, "collect") and hasattr(X, "collect_schema"):
        raise TypeError("A lazy frame was passed; use X.collect() to give the rows themselves.")
    if isinstance(nw.from_native(X, series_only=True, pass_through=True), nw.Series):
        raise ValueError(
            "Expected 2D array or a DataFrame, got a Series (1D array instead). "
            "Reshape your data: series.to_frame() gives a table of one column, and "
            "table.iloc[[0]], with two brackets, one of one row."
        )
    return _from_array(X)


def cells_as_column(cells: Iterable[Any], label: str, shell: Table) -> Column:
    """Make a column of cells of any kind, one a row, for the table that it will stand in."""
    return _from_cells(_as_objects(cells), label, shell)


def _from_pandas(frame: pd.DataFrame) -> Table:
    labels = list(frame.columns)
    twice = [repr(label) for label, n in Counter(labels).items() if n > 1]
    if twice:
        raise ValueError(
            f"X has more than one column named {listing(twice)}. Rename or "
            "drop the surplus ones: df.loc[:, ~df.columns.duplicated()] keeps the first of each."
        )
    named = [isinstance(label, str) for label in labels]
    if any(named) and not all(named):
        raise TypeError(
            "Column names must be all text or all something else, as scikit-learn asks; got "
            f"{listed(labels)}. Use df.columns = df.columns.astype(str)."
        )
    _refuse_empty(*frame.shape)
    names = [str(label) for label in labels] if all(named) else None
    labelled = labels if names is None else None
    numbers = numbers_in_whole(frame)
    shell = Table([], names, len(frame), frame.index, numbers, labelled)
    for position, label in enumerate(labels):
        column = frame.iloc[:, position]
        if isinstance(column.dtype, np.dtype) and column.dtype.char in "?bhilqBHILQefd":
            # What it comes to in any case, in a tenth of the time.
            shell.columns.append(_from_cells(column.to_numpy(), repr(label), shell))
        else:
            series = nw.from_native(column, series_only=True)
            shell.columns.append(_from_series(series, repr(label), shell))
    return shell


def _from_frame(frame: Any, numbers: np.ndarray | None) -> Table:
    _refuse_empty(*frame.shape)
    shell = Table([], list(frame.columns), len(frame), numbers=numbers)
    for name in frame.columns:
        shell.columns.append(_from_series(frame[name], repr(name), shell))
    return shell


def _from_series(series: Any, label: str, shell: Table) -> Column:
    dtype = series.dtype
    whole = dtype.is_integer() and not series.drop_nulls().is_empty()
    exact = not whole or max(-int(series.min()), int(series.max())) <= LARGEST_EXACT
    if dtype == nw.Boolean or (dtype.is_numeric() and dtype != nw.Decimal and exact):
        values = series.cast(nw.Float64).to_numpy()
        return Column(label, np.asarray(values, dtype=np.float64))
    if dtype.is_temporal():
        _refuse_times(label)
    native = series.to_native()
    if not isinstance(native, pd.Series):
        cells = _as_objects(series.to_list())
    elif isinstance(native.dtype, pd.SparseDtype):
        return _from_cells(native.sparse.to_dense().to_numpy(), label, shell)
    else:
        cells = native.to_numpy(dtype=object)
    return _from_cells(cells, label, shell, dtype in (nw.Categorical, nw.Enum))


def _from_array(X: Any) -> Table:
    numbers = numbers_in_whole(X)
    if isinstance(X, (list, tuple)):
        X = _from_rows(X)
    if isinstance(X, np.ma.MaskedArray):
        X = unmasked(X)
    array = np.asarray(X)
    if array.ndim != 2:
        raise ValueError(
            f"Expected 2D array, got {array.ndim}D array instead. Reshape your data: one row a "
            "patient, one column a variable; array.reshape(-1, 1) for a single variable, "
            "array.reshape(1, -1) for a single patient."
        )
    _refuse_empty(*array.shape)
    shell = Table([], None, len(array), numbers=numbers)
    for position in range(array.shape[1]):
        shell.columns.append(_from_cells(array[:, position], str(position), shell))
    return shell


def _from_rows(rows: Sequence[Any]) -> np.ndarray:
    """Keep each cell as it is: ``np.asarray`` would turn numbers beside text into text."""
    if not rows or not all(isinstance(r, (list, tuple, np.ndarray)) for r in rows):
        return np.asarray(rows)
    lengths = sorted({len(r) for r in rows})
    if len(lengths) > 1:
        raise ValueError(f"The rows of X differ in length: {listing([str(n) for n in lengths])}.")
    return _as_objects([cell for row in rows for cell in row]).reshape(len(rows), lengths[0])


def _refuse_empty(n_rows: int, n_columns: int) -> None:
    for n, what in ((n_rows, "sample(s)"), (n_columns, "feature(s)")):
        if n == 0:
            raise ValueError(
                f"Found array with 0 {what} (shape=({n_rows}, {n_columns})) while a minimum of 1 "
                "is required."
            )


def _as_objects(values: Iterable[Any]) -> np.ndarray:
    """Keep sequences as cells, of which ``np.array`` would make further dimensions."""
    values = list(values)
    cells = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        cells[i] = value
    return cells


def _from_cells(values: np.ndarray, label: str, shell: Table, categorical: bool = False) -> Column:
    if values.dtype.kind in "bf" or (values.dtype.kind in "iu" and _is_exact(values)):
        return Column(label, np.asarray(values, dtype=np.float64))  # of float64, what is there
    if values.dtype.kind in "mM":
        _refuse_times(label)
    cells = values.copy() if values.dtype == object else _as_objects(values.tolist())
    empty = np.asarray(pd.isna(cells), dtype=bool)
    words = means_missing({v for v in cells if isinstance(v, str)})
    if words:
        meant = np.array([isinstance(v, str) and v in words for v in cells], dtype=bool)
        shell.words[len(shell.columns)] = listed(sorted(words)), shell.rows(meant)
        empty |= meant
    cells[empty] = None
    kinds = {type(v) for v in cells} - {type(None)}
    if any(issubclass(kind, _TIMES) for kind in kinds):
        times = np.array([isinstance(v, _TIMES) for v in cells], dtype=bool)
        _refuse_times(label, f" in {shell.rows(times)}")
    if any(issubclass(kind, (complex, np.complexfloating)) for kind in kinds):
        raise ValueError(f"Complex data not supported: column {label} holds complex numbers.")
    if not categorical and all(
        issubclass(kind, (numbers.Real, np.bool_, decimal.Decimal)) for kind in kinds
    ):
        numeric = np.full(len(cells), np.nan)
        try:
            numeric[~empty] = [float(v) for v in cells[~empty]]
        except OverflowError:
            _refuse_huge(cells, label, shell)
        long = cells[np.abs(numeric) >= LARGEST_EXACT]
        if not any(isinstance(v, numbers.Integral) and abs(int(v)) > LARGEST_EXACT for v in long):
            return Column(label, numeric)
    return Column(label, cells, categorical)


def _is_exact(values: np.ndarray) -> bool:
    return max(-int(values.min()), int(values.max())) <= LARGEST_EXACT


def tell_of_words(table: Table) -> Table:
    """Warn once of texts that were read as missing values; gives the table."""
    if table.words and not is_table_told():
        tell(words_message(table))
    return table


def words_message(table: Table, position: int | None = None) -> str:
    """Say which texts of a table, or of one column, were read as missing values."""
    found = "; ".join(
        f"{texts} in column {table.columns[p].label}, {rows}"
        for p, (texts, rows) in table.words.items()
        if position in (None, p)
    )
    return (
        f"Taken as missing values, as pandas.read_csv does: {found}. Where such a text is a "
        "finding of its own, give it another name, such as 'nothing'."
    )


def _refuse_times(label: str, where: str = "") -> NoReturn:
    raise ValueError(
        f"Column {label} holds dates or times{where}, which are no clinical value by themselves. "
        "Replace it by a duration in hours since an event that matters, such as "
        "(df['scan_time'] - df['onset_time']).dt.total_seconds() / 3600."
    )


def _refuse_huge(cells: np.ndarray, label: str, shell: Table) -> NoReturn:
    limit = int(np.finfo(np.float64).max)
    huge = np.array([isinstance(v, int) and abs(v) > limit for v in cells], dtype=bool)
    raise ValueError(
        f"Column {label} holds an integer that is too large for a float64 in "
        f"{shell.rows(huge)}. Correct it, or use None if it is not known."
    )
