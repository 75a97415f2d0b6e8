"""A table of which some columns cannot be read: the others, and what is wrong with these."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from skedema.frames.reading import read_quietly
from skedema.frames.table import Column, Table


def read_leniently(X: Any) -> tuple[Table, dict[int, str]]:
    """Read the columns of a table that can be read, without a warning.

    Gives all columns, of which those that cannot be read are empty, and what is wrong with these,
    by position. What is no table of columns is an error as in `read_table`.
    """
    try:
        return read_quietly(X), {}
    except (TypeError, ValueError):
        parts = _columns(X)
        if parts is None:
            raise
    columns: list[Column] = []
    wrong: dict[int, str] = {}
    words: dict[int, tuple[str, str]] = {}
    for position, (name, part) in enumerate(parts):
        try:
            table = read_quietly(part)
        except (TypeError, ValueError) as error:
            wrong[position] = str(error)
            column = Column("", np.full(len(X), None, dtype=object))
        else:
            (column,) = table.columns
            if table.words:
                words[position] = table.words[0]
        columns.append(Column(repr(name), column.values, column.categorical))
    keys = [name for name, _ in parts]
    index = X.index if isinstance(X, pd.DataFrame) else None
    names = keys if all(isinstance(key, str) for key in keys) else None
    labels = keys if names is None and index is not None else None
    return Table(columns, names, len(X), index, labels=labels, words=words), wrong


def _columns(X: Any) -> list[tuple[Any, Any]] | None:
    """Take a table apart into tables of one column; None for what is no table with rows."""
    if isinstance(X, pd.DataFrame):
        parts = [(name, X.iloc[:, [p]]) for p, name in enumerate(X.columns)]
        return parts if len(X) and X.columns.is_unique else None
    frame = nw.from_native(X, eager_only=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        return [(name, frame.select(name).to_native()) for name in frame.columns]
    if isinstance(X, np.ndarray) and X.ndim == 2 and len(X):
        return [(p, X[:, [p]]) for p in range(X.shape[1])]
    return None
