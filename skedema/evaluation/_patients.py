"""Signs that a patient is in several rows of a table."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from skedema.scans import looks_like_scan

_REMEDY = (
    "If rows share a patient, a model would be tested on those that it was trained on, and every "
    "figure be too good: give groups=, the patient of each row."
)


def warn_of_repeated_patients(X: Any) -> None:
    """Warn where rows seem to share a patient, though no groups were given.

    Parameters
    ----------
    X : table or array-like
        The rows.

    Warns
    -----
    UserWarning
        When a scan's path is in several rows, or labels of an index, other than a count of rows,
        are repeated.
    """
    if isinstance(X, pd.DataFrame) and not isinstance(X.index, pd.RangeIndex):
        repeated = X.index[X.index.duplicated()]
        if len(repeated):
            warnings.warn(
                f"The index of X has {repeated.nunique()} labels in several rows, such as "
                f"{repeated[0]!r}. {_REMEDY} If the index means nothing, drop it: "
                "X.reset_index(drop=True).",
                UserWarning,
                stacklevel=3,
            )
    for name, cells in _text_columns(X):
        counts = Counter(os.fspath(c) for c in cells if isinstance(c, (str, os.PathLike)))
        paths = [text for text, n in counts.items() if n > 1 and looks_like_scan(text)]
        if paths:
            warnings.warn(
                f"{len(paths)} scans of column {name} are in several rows, such as {paths[0]!r}. "
                f"{_REMEDY}",
                UserWarning,
                stacklevel=3,
            )


def _text_columns(X: Any) -> list[tuple[str, Any]]:
    if isinstance(X, pd.DataFrame):
        columns = [(repr(name), X.iloc[:, k]) for k, name in enumerate(X.columns)]
        return [(n, c.tolist()) for n, c in columns if not pd.api.types.is_numeric_dtype(c.dtype)]
    table = nw.from_native(X, eager_only=True, pass_through=True)
    if isinstance(table, nw.DataFrame):
        kept = [name for name in table.columns if not table[name].dtype.is_numeric()]
        return [(repr(name), table[name].to_list()) for name in kept]
    if isinstance(X, np.ndarray) and X.dtype.kind in "OTU" and X.ndim == 2:
        return [(str(k), X[:, k].tolist()) for k in range(X.shape[1])]
    return []
