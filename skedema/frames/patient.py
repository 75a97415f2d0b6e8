"""One patient, as a row of a table or a dict has it, read as a table of one row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from skedema.frames.reading import cells_as_column, tell_of_words
from skedema.frames.table import Table, listed


def read_patient(X: Any, keys: Sequence[Any] | None, scans: Sequence[Any] = ()) -> Table | None:
    """Read one patient.

    Parameters
    ----------
    X : object
        A row of a pandas table (a Series with the columns as its labels, such as ``X.iloc[0]``) or
        a dict from columns to values.
    keys : sequence or None
        The `Table.keys` of `fit`; None where columns had no names, so that a patient cannot be
        read by them.
    scans : sequence, default=()
        The keys of scans. Where one is left out, the scan is missing.

    Returns
    -------
    Table or None
        Of one row; None for anything else, which `read_table` reads or refuses.

    Raises
    ------
    ValueError
        When a dict holds columns, or a row has two values for one column.

    Examples
    --------
    >>> from skedema.frames import read_patient
    >>> table = read_patient({"age": 61, "sex": "f"}, keys=["age", "sex"])
    >>> table.names, [column.values.tolist() for column in table.columns]
    (['age', 'sex'], [[61.0], ['f']])
    """
    if keys is None or not isinstance(X, (Mapping, pd.Series)):
        return None
    labels = list(X.keys())
    if not set(labels) & set(keys):
        return None
    if isinstance(X, Mapping):
        columns = [k for k in labels if k not in scans and np.ndim(_plain(X[k])) > 0]
        if columns:
            raise ValueError(
                f"A dict stands for one patient, with one value a column; it holds several in "
                f"{listed(columns)}. pd.DataFrame(X) makes a table of a dict of columns."
            )
    elif not X.index.is_unique:
        twice = X.index[X.index.duplicated()].unique().tolist()
        raise ValueError(f"The patient has more than one value of {listed(twice)}.")
    cells = dict(X.items())
    for scan in scans:
        cells.setdefault(scan, None)
    named = all(isinstance(key, str) for key in cells)
    name = getattr(X, "name", None)
    shell = Table(
        [],
        [str(key) for key in cells] if named else None,
        1,
        None if name is None else pd.Index([name]),
        labels=None if named else list(cells),
    )
    for key, cell in cells.items():
        shell.columns.append(cells_as_column([_plain(cell)], repr(key), shell))
    return tell_of_words(shell)


def _plain(cell: Any) -> Any:
    """Take a number out of an array without axes."""
    return cell.item() if isinstance(cell, np.ndarray) and cell.ndim == 0 else cell
