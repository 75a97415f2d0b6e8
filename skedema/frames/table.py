"""A table of patients as plain columns: numbers, text or raw cells."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

_LISTED = 10
_SHOWN = reprlib.Repr()
_SHOWN.maxstring = _SHOWN.maxother = _SHOWN.maxlong = 60


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    label : str
        How messages call it: ``'age'`` in quotes, or ``3`` for a column without a name.
    values : ndarray of shape (n_rows,)
        Numbers, float64 with NaN for missing, where every value is a number or a boolean; otherwise
        objects with None for missing.
    categorical : bool
        True when the table itself says that the values are categories.

    Examples
    --------
    >>> import pandas as pd
    >>> from skedema.frames import read_table
    >>> age = read_table(pd.DataFrame({"age": [61, None, 61]})).columns[0]
    >>> age.is_numeric, age.missing().tolist(), age.n_distinct()
    (True, [False, True, False], 1)
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
        return np.asarray(pd.isna(self.values), dtype=bool)

    def n_distinct(self) -> int:
        """Count the different values.

        Returns
        -------
        int
            Without counting that one may be missing.
        """
        return len(set(self.values[~self.missing()].tolist()))


@dataclass(frozen=True)
class Table:
    """A table of patients.

    Parameters
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
    labels : list or None
        The column labels of a pandas DataFrame whose labels are no text.
    words : dict of int to (str, str)
        Which texts were read as missing values, and in which rows, by position of the column.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from skedema.frames import read_table
    >>> X = pd.DataFrame({"age": [61, 74, 80], "sex": ["f", "m", "f"]}, index=["P1", "P2", "P3"])
    >>> table = read_table(X)
    >>> part = table.take(np.array([0, 2]))  # still knows which rows of X it has
    >>> part.shape, part.rows(part.columns[0].values > 70)
    ((2, 2), "row 2 (index 'P3')")
    """

    columns: list[Column]
    names: list[str] | None
    n_rows: int
    index: pd.Index | None = field(default=None, repr=False)
    numbers: np.ndarray | None = field(default=None, repr=False)
    labels: list[Any] | None = None
    words: dict[int, tuple[str, str]] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return self.n_rows

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.n_rows, len(self.columns)

    @property
    def keys(self) -> list[Any] | None:
        """What `match_columns` tells columns by: names, else labels, None where there are none."""
        return self.labels if self.names is None else self.names

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
            labels = self.index[positions].tolist()
            if labels != shown.tolist():
                text += f" (index {listed(labels)})"
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
        labels = None if self.labels is None else [self.labels[p] for p in positions]
        return Table(columns, names, self.n_rows, self.index, self.numbers, labels)

    def take(self, rows: np.ndarray | slice) -> Table:
        """Keep some rows.

        Parameters
        ----------
        rows : ndarray of int or bool, or slice
            Their positions, or a mask.

        Returns
        -------
        Table
            A new table, which still knows the rows' numbers in the user's.
        """
        columns = [Column(c.label, c.values[rows], c.categorical) for c in self.columns]
        numbers = np.arange(self.n_rows) if self.numbers is None else self.numbers
        index = None if self.index is None else self.index[rows]
        return Table(columns, self.names, len(numbers[rows]), index, numbers[rows], self.labels)

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


def unmasked(array: np.ma.MaskedArray[Any, Any]) -> np.ndarray:
    """Give the cells of an array as objects, None where it is masked."""
    cells = np.array(array.data, dtype=object)
    cells[np.ma.getmaskarray(array)] = None
    return cells


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

    Examples
    --------
    >>> from skedema.frames import listing
    >>> listing([str(row) for row in range(12)])
    '0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ... (12 in all)'
    """
    shown = ", ".join(items[:_LISTED])
    return shown if len(items) <= _LISTED else f"{shown}, ... ({len(items)} in all)"


def counted(n: int, one: str, more: str) -> str:
    """Count in a message, with the right form of the words.

    Parameters
    ----------
    n : int
        How many.
    one, more : str
        What follows the number 1, and any other, such as ``row is`` and ``rows are``.

    Returns
    -------
    str
        Such as ``2 rows are``.

    Examples
    --------
    >>> from skedema.frames import counted
    >>> counted(1, "row is", "rows are"), counted(2, "row is", "rows are")
    ('1 row is', '2 rows are')
    """
    return f"{n} {one if n == 1 else more}"


def listed(values: Iterable[Any], most: int | None = None) -> str:
    """Show values in a message.

    Parameters
    ----------
    values : iterable
        Anything; what is long is cut.
    most : int, default=None
        Show only so many different ones, without saying how many there are.

    Returns
    -------
    str
        Such as ``'5,1', '<0.5'``.

    Examples
    --------
    >>> from skedema.frames import listed
    >>> listed(["5,1", "<0.5", "5,1"])
    "'5,1', '<0.5', '5,1'"
    >>> listed(["5,1", "<0.5", "5,1"], most=2)
    "'5,1', '<0.5'"
    """
    if most is None:
        return listing([_SHOWN.repr(v) for v in values])
    shown: dict[str, None] = {}
    for value in values:
        shown[_SHOWN.repr(value)] = None
        if len(shown) == most:
            break
    return ", ".join(shown)


def masked(value: object) -> str:
    """Show how a value is written and not what it is, where it may say who a patient is.

    Parameters
    ----------
    value : object
        Such as a date of birth, or a name in free text.

    Returns
    -------
    str
        Letters as A or a, digits as 9, all else as it is.

    Examples
    --------
    >>> from skedema.frames import masked
    >>> masked("12.3.1950"), masked("Doe, J.")
    ('99.9.9999', 'Aaa, A.')
    """
    shapes = (("9", str.isdigit), ("A", str.isupper), ("a", str.isalpha))
    return "".join(next((s for s, is_it in shapes if is_it(c)), c) for c in str(value))
