"""For whom it works."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from skedema._drawing import with_interval
from skedema._pages import Section, table_of
from skedema.evaluation._report.identifiers import FEWEST, personal_columns
from skedema.evaluation._report.material import Material, Unavailable
from skedema.evaluation.displays._words import metric_words
from skedema.frames.leniently import read_leniently

_FEW_VALUES = 6  # numbers of more different values are halved at their median


def subgroups(material: Material) -> Section:
    """Figures of the model in parts of the cohort."""
    names = _names(material)
    if not names:
        raise Unavailable(
            "No subgroups were named: evaluate(..., subgroups=['sex', 'site']) gives figures of "
            "each."
        )
    pieces: list[Any] = [
        f"Figures of {material.model}. Intervals of parts are wide: one with a lower figure is "
        "not for that reason different."
    ]
    return Section("Subgroups", pieces + [_table(material, name) for name in names])


def _names(material: Material) -> list[str]:
    covariates = material.result.covariates
    if covariates.empty or material.identifiers:
        return [str(name) for name in covariates.columns]
    table, refused = read_leniently(covariates)
    hidden = personal_columns(table, list(refused), [])
    return [str(name) for p, name in enumerate(covariates.columns) if p not in hidden]


def _table(material: Material, name: str) -> Any:
    values = material.result.covariates[name]
    metrics = list(material.result.few_metrics)
    found = material.result.subgroups(
        name, bins=_halves(values), metrics=metrics, n_resamples=material.n_resamples
    )
    found = found[found["estimator"] == material.model]
    if not material.identifiers:
        found = found[found["n_patients"] >= FEWEST]
    return table_of(_wide(found, metrics), f"By {name}", digits=2)


def _halves(values: pd.Series) -> list[float] | None:
    if not pd.api.types.is_numeric_dtype(values) or values.nunique() <= _FEW_VALUES:
        return None
    return [-np.inf, float(values.median()), np.inf]


def _in_words(value: str) -> str:
    """Write a half of the numbers without infinity."""
    if value.startswith("[-inf, "):
        return f"below {value[7:-1]}"
    return f"{value[1:-6]} and above" if value.endswith(", inf)") else value


def _wide(found: pd.DataFrame, metrics: list[str]) -> pd.DataFrame:
    """One row a subgroup: its sizes, and a text a metric."""
    rows = []
    for value, part in found.groupby("subgroup", sort=False):
        first = part.iloc[0]
        row = {"subgroup": _in_words(str(value)), "patients": first["n_patients"]}
        if (found["n_rows"] != found["n_patients"]).any():
            row["rows"] = first["n_rows"]
        if "n_positive" in part:
            row["positive"] = first["n_positive"]
        for metric in metrics:
            found_one = part[part["metric"] == metric].iloc[0]
            row[metric_words(metric)] = with_interval(*found_one[["pooled", "low", "high"]])
        rows.append(row | {"note": first["note"]})
    table = pd.DataFrame(rows).set_index("subgroup")
    return table if table["note"].any() else table.drop(columns="note")
