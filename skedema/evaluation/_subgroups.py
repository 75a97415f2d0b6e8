"""Figures in parts of the cohort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skedema._registry import nearest_name
from skedema.evaluation._tables import Bootstrap, Repeats, n_rows_of
from skedema.evaluation.metrics._metric import Metric
from skedema.frames import counted


def subgroup_table(
    everything: Mapping[str, Repeats],
    parts: Sequence[tuple[Any, NDArray[np.bool_]]],
    metrics: Sequence[Metric],
    min_patients: int,
    bootstrap: Bootstrap,
) -> pd.DataFrame:
    """Tabulate each figure of each estimator in each part of the rows."""
    rows: list[dict[str, Any]] = []
    for estimator, whole in everything.items():
        for value, chosen in parts:
            repeats = [part for part in (each.at(chosen) for each in whole) if len(part.rows)]
            sizes, note = _sizes(repeats, whole[0].n_classes, bootstrap.groups)
            of_metrics: Any
            if sizes["n_patients"] < min_patients:
                note = f"fewer than {min_patients} patients: no figures"
                gone = dict.fromkeys(("pooled", "low", "high"), np.nan)
                of_metrics = [{"metric": metric.name, **gone} for metric in metrics]
            else:
                of_metrics = bootstrap.rows(repeats, metrics)
            place = {"estimator": estimator, "subgroup": value, **sizes}
            rows += [{**place, **row, "note": note} for row in of_metrics]
    return pd.DataFrame(rows)


def values_of(by: Any, covariates: pd.DataFrame) -> NDArray[Any]:
    """Give what rows are divided by: a covariate of a name, or values that are given."""
    if isinstance(by, str):
        if by not in covariates.columns:
            raise ValueError(
                f"evaluate was given no subgroup {by!r}. {nearest_name(by, covariates.columns)} Or "
                "give a value for each row."
            )
        return np.asarray(covariates[by])
    values = np.asarray(by)
    if values.shape != (len(covariates),):
        raise ValueError(
            f"by has shape {values.shape}, but there are {len(covariates)} rows: give one value a "
            "row."
        )
    return values


def parts_of(
    values: NDArray[Any], bins: Sequence[float] | None
) -> list[tuple[Any, NDArray[np.bool_]]]:
    """List subgroups in order, with the rows of each."""
    missing = np.asarray(pd.isna(values), dtype=bool)
    parts: list[tuple[Any, NDArray[np.bool_]]]
    if bins is None:
        kept = pd.unique(pd.Series(values[~missing])).tolist()
        try:
            kept = sorted(kept)
        except TypeError:
            kept = sorted(kept, key=repr)
        parts = [(value, np.asarray(values == value, dtype=bool)) for value in kept]
    else:
        edges = np.asarray(bins, dtype=np.float64)
        if len(edges) < 2 or not (np.diff(edges) > 0).all():
            raise ValueError(f"bins must be two or more edges that increase, got {bins!r}.")
        numbers = np.where(missing, np.nan, values).astype(np.float64)
        outside = ~missing & ~((numbers >= edges[0]) & (numbers < edges[-1]))
        if outside.any():
            raise ValueError(
                f"{counted(int(outside.sum()), 'value lies', 'values lie')} outside of the bins, "
                f"such as {numbers[outside][0]:g}. Let bins begin at -np.inf or end at np.inf."
            )
        parts = [
            (f"[{low:g}, {high:g})", (numbers >= low) & (numbers < high))
            for low, high in pairwise(edges)
        ]
    if missing.any():
        parts.append(("missing", missing))
    return parts


def _sizes(repeats: Repeats, n_classes: int, groups: NDArray[Any]) -> tuple[dict[str, int], str]:
    """Count rows and patients, and note what is missing."""
    rows = np.unique(np.concatenate([each.rows for each in repeats] or [np.arange(0)]))
    sizes = {"n_rows": len(rows), "n_patients": len(set(groups[rows].tolist()))}
    if n_classes == 1:  # numbers
        return sizes, ""
    of_class = [n_rows_of(repeats, k) if repeats else 0 for k in range(n_classes)]
    if n_classes == 2:
        sizes["n_positive"] = of_class[1]
    n_missing = of_class.count(0)
    if n_missing == n_classes - 1:
        return sizes, "one class only: some figures are not defined"
    if n_missing:
        missing = counted(n_missing, "class", "classes")
        return sizes, f"without {missing}: some figures are not defined"
    return sizes, ""
