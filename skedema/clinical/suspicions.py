"""What in a table is legal, but looks like a mistake: warnings."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import numpy as np

from skedema.clinical.texts import without_style
from skedema.frames.table import Column, Table, listed

# What stands for "not known" in many a file, though it is a number.
_NOT_KNOWN = (-99, -999, -9999, -99999, 999, 9999, 99999)


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


def warn_of_sentinels(column: Column, table: Table) -> None:
    """Warn of a number that is far from all others and may stand for "not known".

    Parameters
    ----------
    column : Column
        A numeric column.
    table : Table
        The table it stands in, for the message.

    Warns
    -----
    UserWarning
        For -99, -999, ... where all others are positive, and for 999, 9999, ... where all others
        are less than a fifth of it.
    """
    for code in _NOT_KNOWN:
        found = column.values == code
        others = column.values[~found & ~column.missing()]
        if not found.any() or not len(others):
            continue
        if others.min() >= 0 if code < 0 else np.abs(others).max() * 5 < code:
            warnings.warn(
                f"Column {column.label} holds {code} in {table.rows(found)}, far from all others. "
                f"If it stands for a missing value: df[{column.label}].replace({code}, None).",
                UserWarning,
                stacklevel=3,
            )
