"""Columns that may tell the answer, looked for once for all folds."""

from __future__ import annotations

from typing import Any

from skedema.clinical.leaks import Leak, find_leaks, scan_columns, warn_of_leaks
from skedema.frames.leniently import read_leniently
from skedema.frames.reading import tell_of_words


def look_for_leaks(X: Any, y: Any, trusted_columns: Any) -> tuple[Leak, ...]:
    """Warn of columns that may tell the answer.

    Parameters
    ----------
    X : object
        The rows; where it is no table of columns, whatever estimators take, nothing is looked for.
    y : array-like of shape (n,)
        The labels, none missing.
    trusted_columns : sequence of str or int, or None
        Columns that are known not to leak.

    Returns
    -------
    tuple of Leak
        What was found.

    Raises
    ------
    ValueError, TypeError
        When `trusted_columns` is no list of columns of X.

    Warns
    -----
    UserWarning
        Once, of all that was found.
    """
    try:
        table, wrong = read_leniently(X)
    except (TypeError, ValueError):
        if trusted_columns is not None:
            raise
        return ()
    tell_of_words(table)
    without = [*scan_columns(table), *wrong]
    found = find_leaks(table, y, without=without, trusted=trusted_columns)
    warn_of_leaks(found, table)
    return tuple(found)
