"""Parts of a caller's table, whose rows messages call by their numbers in the whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class _Part:
    """A part as it was handed out, its rows in the whole, and the labels of the whole's rows."""

    part: Any
    rows: Rows
    index: pd.Index | None


_handed_out: ContextVar[_Part | None] = ContextVar("handed_out", default=None)


@contextmanager
def part_of(X: Any, rows: Any) -> Iterator[Any]:
    """Give some rows of a table, which messages of this thread call as the table does within.

    A DataFrame with different labels is also known again when it was cut further.

    Parameters
    ----------
    X : table
        The whole, or a part of one that was given by this.
    rows : array-like of int
        Positions in X.
    """
    part, rows = _safe_indexing(X, rows), np.asarray(rows)
    outer, numbers = _handed_out.get(), numbers_in_whole(X)
    index = X.index if isinstance(X, pd.DataFrame) and X.index.is_unique else None
    if outer is not None and numbers is not None:
        rows, index = numbers[rows], outer.index
    token = _handed_out.set(_Part(part, rows, index))
    try:
        yield part
    finally:
        _handed_out.reset(token)


def numbers_in_whole(X: Any) -> Rows | None:
    """Give the numbers of a part's rows in the whole; None for what is no part."""
    known = _handed_out.get()
    if known is None:
        return None
    if X is known.part:
        return known.rows
    if known.index is None or not isinstance(X, pd.DataFrame):
        return None
    found = known.index.get_indexer(X.index)
    return None if (found < 0).any() else found
