"""What is missing, and what that costs."""

from __future__ import annotations

from typing import Any

import pandas as pd

from skedema._pages import Section, table_of
from skedema.evaluation._report.drawn import drawn
from skedema.evaluation._report.material import Material, Unavailable
from skedema.inspection import MissingnessDisplay


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
            **{
                f"of {label}": f"{gone[labels == label].mean():.0%}"
                for label in material.result.classes
            },
        }
        for name, gone in gaps.items()
    ]
    rows.sort(key=lambda row: -row["missing"])
    table = table_of(
        pd.DataFrame(rows),
        "Missing values",
        index=False,
        note="Shares that differ between classes may tell the answer by themselves: was a value "
        "measured because somebody was worried?",
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
