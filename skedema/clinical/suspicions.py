"""What in a table is legal, but looks like a mistake: warnings."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import numpy as np

from skedema.clinical.texts import without_style
from skedema.clinical.usual import Usual
from skedema.frames.table import Column, Table, listed, listing


def warn_of_twins(where: str, categories: Iterable[str]) -> None:
    """Warn of categories that differ in case, blanks or coding alone.

    Parameters
    ----------
    where : str
        Whose they are, for the message.
    categories : iterable of str
        The categories.

    Warns
    -----
    UserWarning
        When there are such.
    """
    alike: dict[str, list[str]] = {}
    for category in categories:
        alike.setdefault(without_style(category), []).append(category)
    twins = [listed(names) for names in alike.values() if len(names) > 1]
    if twins:
        warnings.warn(
            f"{where} has categories that differ in case or blanks alone, and are kept apart: "
            f"{'; '.join(twins)}. To make them one, use .str.strip().str.lower().",
            UserWarning,
            stacklevel=3,
        )


def warn_of_unusual(
    found: Iterable[tuple[Column, Usual, np.ndarray]], table: Table, *, seen: bool
) -> None:
    """Warn once of all numbers that stand for "not known" or are far from all others.

    Parameters
    ----------
    found : iterable of (Column, Usual, ndarray of bool of shape (n_rows,))
        A numeric column, what is usual in it, and which of its rows are not.
    table : Table
        The table they stand in, for the message.
    seen : bool
        Whether `fit` sees them; otherwise they come after it.

    Warns
    -----
    UserWarning
        When there are such rows.
    """
    parts = []
    for column, usual, odd in found:
        if odd.any():
            values = np.unique(column.values[odd]).tolist()
            parts.append(
                f"{column.label} holds {listing([_shown(v) for v in values])} in {table.rows(odd)} "
                f"({'all others' if seen else 'fit saw'} {_shown(usual.low)} to "
                f"{_shown(usual.high)})"
            )
    if parts:
        warnings.warn(
            f"Values unlike all {'others' if seen else 'that fit saw'}: {'; '.join(parts)}. "
            "Where one is a typing error, is in another unit or stands for a missing value, "
            "correct it or make it None, such as df[column] = df[column].replace(value, None); "
            "warn_unusual=False leaves this warning out.",
            UserWarning,
            stacklevel=4,
        )


def warn_of_empty(labels: Iterable[str]) -> None:
    """Warn once of columns without any value.

    Parameters
    ----------
    labels : iterable of str
        What messages call them.

    Warns
    -----
    UserWarning
        When there are such.
    """
    labels = list(labels)
    if labels:
        several = len(labels) > 1
        warnings.warn(
            f"Column{'s' if several else ''} {listing(labels)} hold{'' if several else 's'} no "
            "value at all, so that nothing is learned from "
            f"{'them' if several else 'it'}, and values that come later count as missing. Drop "
            f"{'them' if several else 'it'}, or see why nothing was read.",
            UserWarning,
            stacklevel=4,
        )


def _shown(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e16 else repr(value)
