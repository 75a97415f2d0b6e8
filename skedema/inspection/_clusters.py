"""Variables that tell the same, to be looked at together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from skedema._registry import nearest_name
from skedema.frames.cells import labels_of
from skedema.frames.leniently import read_leniently

_LEAST_ROWS = 10  # chosen: of fewer, a rank correlation is chance


def clusters_of(
    X: Any, together: float | Mapping[str, Sequence[Any]] | None
) -> list[tuple[str, list[int]]]:
    """List variables by name, with the positions of their columns: those together that belong so.

    `together` is the least absolute rank correlation, or the columns of each group by its name.
    """
    labels = labels_of(X)
    if isinstance(together, Mapping):
        return _named(labels, together)
    if together is None:
        return [(str(label), [position]) for position, label in enumerate(labels)]
    if not 0 < together <= 1:
        raise ValueError(f"together must be a correlation above 0 and up to 1, got {together!r}.")
    codes = _correlated(X, len(labels), float(together))
    members = [np.flatnonzero(codes == code).tolist() for code in pd.unique(codes)]
    return [(" + ".join(str(labels[p]) for p in each), each) for each in members]


def _named(labels: list[Any], together: Mapping[str, Sequence[Any]]) -> list[tuple[str, list[int]]]:
    found: list[tuple[str, list[int]]] = []
    for name, columns in together.items():
        for column in columns:
            if column not in labels:
                raise ValueError(
                    f"together names {column!r}, which is no column of X. "
                    f"{nearest_name(str(column), map(str, labels))}"
                )
        found.append((str(name), [labels.index(column) for column in columns]))
    taken = [position for _, positions in found for position in positions]
    if len(set(taken)) < len(taken):
        raise ValueError("together names a column in two groups.")
    return found + [(str(c), [p]) for p, c in enumerate(labels) if p not in taken]


def _correlated(X: Any, n_columns: int, least: float) -> Any:
    """Give each column the number of its cluster; one that holds no numbers has its own."""
    table, _ = read_leniently(X)
    numeric = [p for p, column in enumerate(table.columns) if column.is_numeric]
    codes = -np.arange(1, n_columns + 1)
    if len(numeric) < 2:
        return codes
    values = pd.DataFrame({p: table.columns[p].values for p in numeric})
    rho = values.corr("spearman", min_periods=_LEAST_ROWS).fillna(0).to_numpy(copy=True)
    np.fill_diagonal(rho, 1)
    distance = squareform(1 - np.abs(rho).clip(max=1), checks=False)
    codes[numeric] = fcluster(linkage(distance, "average"), 1 - least + 1e-9, "distance")
    return codes
