"""What in a table is legal, but looks like a mistake: told once a call."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from skedema._told import tell
from skedema.clinical.texts import without_style
from skedema.clinical.usual import Usual
from skedema.frames.table import Table, listed, listing


def warn_of_twins(where: str, categories: Iterable[str]) -> None:
    """Warn of categories that differ in case, blanks or coding alone."""
    alike: dict[str, list[str]] = {}
    for category in categories:
        alike.setdefault(without_style(category), []).append(category)
    twins = [listed(names) for names in alike.values() if len(names) > 1]
    if twins:
        tell(
            f"{where} has categories that differ in case or blanks alone, and are kept apart: "
            f"{'; '.join(twins)}. To make them one, use .str.strip().str.lower()."
        )


def warn_of_joined(spellings: list[str]) -> None:
    """Warn of spellings that count as one category, a text a column."""
    if spellings:
        tell(
            "Categories that differ in case or blanks alone, in characters that cannot be seen or "
            f"in how a number is written, count as one: {'; '.join(spellings)}. Where they differ "
            "in meaning, give them names that differ otherwise."
        )


def warn_of_unusual(
    found: Iterable[tuple[str, Usual, np.ndarray, np.ndarray]], table: Table, *, seen: bool
) -> None:
    """Warn of numbers that stand for "not known" or are far from all others.

    `found` holds a column's label, what is usual in it, and which of its values, in which rows, are
    not; `seen` is whether `fit` sees them, or they come after it.
    """
    parts = []
    for label, usual, values, rows in found:
        if len(rows):
            shown = listing([_shown(v) for v in np.unique(values).tolist()])
            parts.append(
                f"{label} holds {shown} in {table.rows(rows)} "
                f"({'all others' if seen else 'fit saw'} {_shown(usual.low)} to "
                f"{_shown(usual.high)})"
            )
    if parts:
        tell(
            f"Values unlike all {'others' if seen else 'that fit saw'}: {'; '.join(parts)}. "
            "Where one is a typing error, is in another unit or stands for a missing value, "
            "correct it or make it None, such as df[column] = df[column].replace(value, None); "
            "warn_unusual=False leaves this warning out."
        )


def warn_of_empty(labels: list[str]) -> None:
    """Warn of columns without any value."""
    if labels:
        several = len(labels) > 1
        tell(
            f"Column{'s' if several else ''} {listing(labels)} hold{'' if several else 's'} no "
            "value at all, so that nothing is learned from "
            f"{'them' if several else 'it'}, and values that come later count as missing. Drop "
            f"{'them' if several else 'it'}, or see why nothing was read."
        )


def _shown(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e16 else repr(value)
