"""What is missing, and what that costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from skedema._pages import Section, table_of
from skedema.evaluation._report.drawn import drawn
from skedema.evaluation._report.material import Material, Unavailable
from skedema.inspection import MissingnessDisplay


def _by_target(gone: Any, labels: Any, result: Any) -> dict[str, str]:
    """Say how often a value is missing by class, or what the target is with and without it."""
    if not result.of_numbers:
        return {f"of {label}": f"{gone[labels == label].mean():.0%}" for label in result.classes}
    tested = np.array([label is not None for label in labels])
    parts = {"target where missing": gone, "target where there": ~gone}
    found = {name: labels[tested & chosen].astype(float) for name, chosen in parts.items()}
    return {name: f"{each.mean():.4g}" if len(each) else "" for name, each in found.items()}


def missingness(material: Material) -> Section:
    """How often each column is empty, by class."""
    labels = material.labels
    columns = [*material.shown, *material.scan_positions]
    missing = {material.column_name(p): material.table.columns[p].missing() for p in columns}
    gaps = {name: gone for name, gone in missing.items() if gone.any()}
    if not missing:
        raise Unavailable("No column of the table can be shown.")
    if not gaps:
        return Section("Missing values", ["No value is missing in the columns that are shown."])
    rows: list[dict[str, Any]] = [
        {
            "column": name,
            "missing": int(gone.sum()),
            "all": f"{gone.mean():.0%}",
            **_by_target(gone, labels, material.result),
        }
        for name, gone in gaps.items()
    ]
    rows.sort(key=lambda row: -row["missing"])
    table = table_of(
        pd.DataFrame(rows),
        "Missing values",
        index=False,
        note="Shares that differ between classes, or numbers with and without, may tell the "
        "answer by themselves: was a value measured because somebody was worried?",
    )
    pieces: list[Any] = [table]
    if material.result.estimators.get(material.model):
        found = material.result.inspection.missingness(material.model)
        patterns = found.patterns.assign(
            missing=[tuple(map(material.alias, names)) for names in found.patterns["missing"]]
        )
        costs = found.costs.assign(variable=found.costs["variable"].map(material.alias))
        pieces.append(drawn(MissingnessDisplay(patterns, costs, words=found.words)))
    return Section("Missing values", pieces)
