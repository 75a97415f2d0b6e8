"""Categories: which cells mean the same one, and how it is shown."""

from __future__ import annotations

import decimal
import re
from collections import defaultdict
from typing import Any

import numpy as np

from skedema.clinical.texts import without_style
from skedema.frames.missing import plain
from skedema.frames.table import listed

_NUMBER = re.compile(r"[-+]?\d+(\.\d*)?")
_TRUTH = {"true": "1", "false": "0"}


def category_keys(values: np.ndarray) -> list[str]:
    """Name categories so that cells of one meaning have one name: dtypes drift between tables.

    1, 1.0, True, "1", "1.0", "01" and "true" are one category, and so are texts that differ in
    case, blanks and what cannot be seen. No cell is missing.
    """
    key_of: dict[str, str] = {}
    for spelling in (written := spellings(values)):
        if spelling not in key_of:
            key_of[spelling] = _key(spelling)
    return [key_of[spelling] for spelling in written]


def learn_categories(values: np.ndarray, weight: np.ndarray) -> tuple[list[str], list[str]]:
    """Find the categories of cells, none missing, with the weights of their rows.

    Gives them sorted, each in its most frequent spelling; and which spellings count as one, for a
    message.
    """
    weight_of: dict[Any, float] = defaultdict(float)
    for cell, w in zip(values.tolist(), weight.tolist(), strict=True):
        weight_of[cell] += w
    cells = np.empty(len(weight_of), dtype=object)
    cells[:] = list(weight_of)
    shown: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    texts_of: dict[str, set[str]] = defaultdict(set)
    for cell, spelling, key in zip(cells, spellings(cells), category_keys(cells), strict=True):
        shown[key][plain(spelling)] += weight_of[cell]
        if isinstance(cell, str):
            texts_of[key].add(cell)
    categories = sorted(min(found, key=lambda s: (-found[s], s)) for found in shown.values())
    joined = [listed(sorted(texts)) for _, texts in sorted(texts_of.items()) if len(texts) > 1]
    return categories, joined


def spellings(values: np.ndarray) -> list[str]:
    """Write cells as texts, whole numbers without a point."""
    return [v if isinstance(v, str) else _written(v) for v in values.tolist()]


def _written(value: Any) -> str:
    """Write a cell that is no text, a whole number without a point."""
    try:
        if value == int(value):
            return str(int(value))
    except (TypeError, ValueError, OverflowError):
        return str(value)
    if isinstance(value, decimal.Decimal):
        return str(value)
    number = float(value)
    # 0.1 in single precision and in double is one category; both are shown as 0.1.
    single = np.float32(number) if abs(number) < np.finfo(np.float32).max else np.float32(np.inf)
    return str(single) if float(single) == number else repr(number)


def _key(spelling: str) -> str:
    text = without_style(spelling)
    if _NUMBER.fullmatch(text):
        whole, _, part = text.partition(".")
        sign = "-" if whole.startswith("-") else ""
        whole, part = whole.lstrip("+-").lstrip("0") or "0", part.rstrip("0")
        number = f"{whole}.{part}" if part else whole
        return number if number == "0" else sign + number
    return _TRUTH.get(text, text)
