"""What is not known of a patient, and what difference it could make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skedema.inspection._asked import Asked
from skedema.inspection._values import Taken

_MOST_VALUES = 201
_COLUMNS = ["low", "middle", "high", "n_values"]


def missing(
    asked: Asked, k: int, taken: dict[Any, Taken], scans: dict[Any, NDArray[np.float64]]
) -> pd.DataFrame:
    """Give the spread of the probability over the values that each missing variable takes.

    `scans` are, by column, the probabilities with the scans of others in the place of a missing
    one, of shape (n, n_classes). A value is taken from its column alone, whatever else is known of
    the patient.

    Returns
    -------
    DataFrame
        By missing variable, the 5 %, 50 % and 95 % quantile of the probability of class `k`,
        ``low``, ``middle`` and ``high``, over ``n_values`` values; NaN where no value is known.
    """
    names = [name for name in asked.variables if name not in asked.known]
    tried = {name: _values(taken[name].values) for name in names if name in taken}
    changes = [{name: value} for name, values in tried.items() for value in values]
    proba = asked.answers(changes)[:, k] if changes else np.empty(0)
    rows, start = [], 0
    for name in names:
        n = len(tried.get(name, ()))
        part = proba[start : start + n]
        start += n
        if name in scans:
            part = scans[name][:, k]
        rows.append(_spread(part))
    return pd.DataFrame(rows, columns=_COLUMNS, index=pd.Index(names, name="variable"))


def _values(values: Sequence[Any]) -> list[Any]:
    if len(values) <= _MOST_VALUES:
        return list(values)
    return [values[k] for k in np.linspace(0, len(values) - 1, _MOST_VALUES).round().astype(int)]


def _spread(probability: NDArray[np.float64]) -> tuple[float, float, float, int]:
    if not len(probability):
        return np.nan, np.nan, np.nan, 0
    low, middle, high = np.quantile(probability, [0.05, 0.5, 0.95])
    return float(low), float(middle), float(high), len(probability)
