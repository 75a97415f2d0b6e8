"""Columns that may tell the answer, looked for once for all folds."""

from __future__ import annotations

from typing import Any

from skedema.clinical.leaks import Leak, find_leaks, scan_columns, warn_of_leaks
from skedema.frames.leniently import read_leniently
from skedema.frames.reading import tell_of_words


def look_for_leaks(
    X: Any, y: Any, trusted_columns: Any, *, numbers: bool = False
) -> tuple[Leak, ...]:
    """Warn once of all columns that may tell the answer.

    Where X is no table of columns, whatever estimators take, nothing is looked for.
    """
    try:
        table, wrong = read_leniently(X)
    except (TypeError, ValueError):
        if trusted_columns is not None:
            raise
        return ()
    tell_of_words(table)
    without = [*scan_columns(table), *wrong]
    found = find_leaks(table, y, without=without, trusted=trusted_columns, numbers=numbers)
    warn_of_leaks(found, table)
    return tuple(found)
