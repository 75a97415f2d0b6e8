"""Weights of patients: read, checked, and in the patients' order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import _check_sample_weight

from skedema.frames.rows import check_same_rows
from skedema.frames.table import Table


def read_weights(sample_weight: Any, table: Table) -> np.ndarray:
    """Read the weights of patients, 1 each for None: finite, none negative, not all zero.

    An error names the rows that are otherwise.
    """
    check_same_rows(table, sample_weight=sample_weight)
    cells = np.asarray(sample_weight)
    if cells.ndim == 1:
        if len(cells) != len(table):
            raise ValueError(f"sample_weight has {len(cells)} weights for {len(table)} patients.")
        numbers = pd.to_numeric(pd.Series(cells, dtype=object), errors="coerce")
        given = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
        if not np.isfinite(given).all():
            raise ValueError(
                f"sample_weight contains NaN, inf or text in {table.rows(~np.isfinite(given))}. "
                "Give a number, or 0 for a patient to leave out."
            )
        if (given < 0).any():
            raise ValueError(
                f"Negative values in data passed to `sample_weight`, in {table.rows(given < 0)}. "
                "Give 0 for a patient to leave out."
            )
        cells = given
    if cells.dtype.kind in "biuf" and not cells.any():
        raise ValueError("sample_weight must hold at least one weight that is not zero.")
    weight = _check_sample_weight(
        sample_weight, np.empty((len(table), 1)), dtype=np.float64, ensure_non_negative=True
    )
    with np.errstate(over="ignore"):
        if not np.isfinite(weight.sum()):
            raise ValueError("sample_weight is too large: the weights have no finite sum.")
    return np.asarray(weight)
