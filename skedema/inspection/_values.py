"""What values a variable takes: as training saw them, or as other patients have them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skedema.clinical import ClinicalTokenizer
from skedema.clinical.variables import CATEGORICAL, NUMERIC
from skedema.frames import Column, Table
from skedema.inspection._asked import Asked, AskedOurs

_GRID = 41  # values of a numeric variable that are tried
_MOST_WHOLE = 201  # whole numbers are tried one by one where there are no more


@dataclass(frozen=True)
class Taken:
    """The values that a variable takes.

    Parameters
    ----------
    values : sequence
        Values as they occur, the likelier the more often; of a numeric variable in order.
    numeric : bool
        Whether what lies between is possible, too.
    """

    values: Sequence[Any]
    numeric: bool

    @property
    def whole(self) -> bool:
        """Whether it only takes whole numbers."""
        return self.numeric and all(float(each).is_integer() for each in self.values)

    def grid(self) -> NDArray[np.float64]:
        """Give values from the smallest to the largest."""
        low, high = float(self.values[0]), float(self.values[-1])
        if self.whole and high - low < _MOST_WHOLE:
            return np.arange(low, high + 1)
        grid = np.linspace(low, high, _GRID)
        return np.unique(grid.round() if self.whole else grid)

    def middle(self) -> float:
        return float(self.values[len(self.values) // 2])


def values_taken(asked: Asked, reference: Table | None) -> dict[Any, Taken]:
    """Give the values of each variable but the scan, as far as they are known.

    Of `reference`, whose columns are those of the patient; else as a `ClinicalTokenizer` saw them.
    """
    names = [name for name in asked.variables if name not in asked.scans]
    if reference is not None:
        columns = dict(zip(asked.variables, reference.columns, strict=True))
        found = {name: _of_column(columns[name]) for name in names}
    elif isinstance(asked, AskedOurs) and isinstance(asked.clf.metadata_, ClinicalTokenizer):
        tokenizer = asked.clf.metadata_
        found = {name: _of_training(tokenizer, position) for position, name in enumerate(names)}
    else:
        found = {}
    return {name: taken for name, taken in found.items() if taken is not None}


def _of_column(column: Column) -> Taken | None:
    values = column.values[~column.missing()]
    if not len(values):
        return None
    if column.is_numeric:
        return _numeric(np.sort(values).tolist())
    return Taken(sorted(values.tolist(), key=str), numeric=False)


def _of_training(tokenizer: ClinicalTokenizer, position: int) -> Taken | None:
    kind = tokenizer.kinds_[position]
    if kind == NUMERIC:
        return _numeric(list(tokenizer._usual[position].typical))
    if kind == CATEGORICAL:
        return Taken(tokenizer.categories_[position] or (), numeric=False)
    return None


def _numeric(ordered: list[float]) -> Taken:
    """Take a variable of two values, such as True and False, to take nothing in between."""
    return Taken(ordered, numeric=len(set(ordered)) > 2)
