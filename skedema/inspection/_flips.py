"""What a variable would have to be for another prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skedema.inspection._asked import Asked, is_missing
from skedema.inspection._contributions import plain, shown
from skedema.inspection._values import Taken

_COLUMNS = ["variable", "value", "to", "side", "label", "probability"]
_ROUNDS, _PARTS = 3, 16  # between two grid points: 16 parts three times, 1 in 4,096


@dataclass
class _Crossing:
    """Between which values of a variable the prediction changes."""

    name: Any
    side: str
    stays: float
    flips: float
    whole: bool


def flips(asked: Asked, k: int, taken: dict[Any, Taken]) -> pd.DataFrame:
    """Give the nearest value of each variable, all others as they are, that changes the prediction.

    A number is looked for on both sides, within the values that are taken; a category by trying
    all others; a missing value by trying all, a number from the middle on. What flips nothing has
    no row.

    Returns
    -------
    DataFrame
        A row a flip: ``variable``; ``value`` as it is; ``to``; ``side``, "lower", "higher",
        "other", or "known" of a missing value; the new ``label``; ``probability`` of class `k`.
    """
    own = int(asked.proba.argmax())
    tried = {name: _to_try(asked, name, each) for name, each in taken.items()}
    changes = [{name: value} for name, values in tried.items() for value in values]
    if not changes:
        return pd.DataFrame(columns=_COLUMNS)
    codes = asked.answers(changes).argmax(axis=1)
    crossings, found, start = [], [], 0
    for name, values in tried.items():
        flipped = codes[start : start + len(values)] != own
        start += len(values)
        if taken[name].numeric:
            crossings += _crossings(asked, name, taken[name], values, flipped)
        else:
            side = "known" if name not in asked.known else "other"
            found += [
                (name, side, value) for value, there in zip(values, flipped, strict=True) if there
            ]
    found += [(each.name, each.side, each.flips) for each in _refined(asked, crossings, own)]
    return _table(asked, k, found)


def _to_try(asked: Asked, name: Any, taken: Taken) -> list[Any]:
    if taken.numeric:
        return list(taken.grid())
    return [each for each in dict.fromkeys(taken.values) if each != asked.row[name].iloc[0]]


def _crossings(
    asked: Asked, name: Any, taken: Taken, values: Sequence[float], flipped: NDArray[np.bool_]
) -> list[_Crossing]:
    """Find the nearest flip on either side of the value, or of the middle if it is missing."""
    cell, grid = asked.row[name].iloc[0], np.asarray(values)
    missing = is_missing(cell)
    start = taken.middle() if missing else float(cell)
    found = []
    for side, rows in (
        ("lower", np.flatnonzero(grid < start)[::-1]),
        ("higher", np.flatnonzero(grid >= start if missing else grid > start)),
    ):
        hits = np.flatnonzero(flipped[rows])
        if not len(hits):
            continue
        first = int(hits[0])
        stays = float(grid[rows[first - 1]]) if first else start
        found.append(
            _Crossing(
                name, "known" if missing else side, stays, float(grid[rows[first]]), taken.whole
            )
        )
    return found


def _refined(asked: Asked, crossings: list[_Crossing], own: int) -> list[_Crossing]:
    """Come nearer to where the prediction changes, all variables at a time."""
    for _ in range(_ROUNDS):
        ways = [_between(each) for each in crossings]
        changes = [{c.name: v} for c, way in zip(crossings, ways, strict=True) for v in way]
        if not changes:
            break
        codes, start = asked.answers(changes).argmax(axis=1), 0
        for crossing, way in zip(crossings, ways, strict=True):
            flipped = codes[start : start + len(way)] != own
            start += len(way)
            first = int(flipped.argmax()) if flipped.any() else len(way)
            if first < len(way):
                crossing.flips = float(way[first])
            if first:
                crossing.stays = float(way[first - 1])
    return crossings


def _between(crossing: _Crossing) -> NDArray[np.float64]:
    """Give values strictly between the one that stays and the one that flips, in this order."""
    low, high = sorted((crossing.stays, crossing.flips))
    parts = np.linspace(low, high, _PARTS + 1)[1:-1]
    if crossing.whole:
        parts = np.unique(parts.round())
    parts = parts[(parts > low) & (parts < high)]
    return parts if crossing.flips > crossing.stays else parts[::-1]


def _table(asked: Asked, k: int, found: list[tuple[Any, str, Any]]) -> pd.DataFrame:
    if not found:
        return pd.DataFrame(columns=_COLUMNS)
    proba = asked.answers([{name: value} for name, _, value in found])
    rows = [
        (
            name,
            shown(asked, name),
            plain(value),
            side,
            plain(asked.classes[p.argmax()]),
            float(p[k]),
        )
        for (name, side, value), p in zip(found, proba, strict=True)
    ]
    order = {name: place for place, name in enumerate(asked.variables)}
    table = pd.DataFrame(rows, columns=_COLUMNS, dtype=object).astype({"probability": float})
    return table.sort_values(
        "variable", key=lambda names: names.map(order), kind="stable", ignore_index=True
    )
