"""Who the patients are: Table 1, with what is missing."""

from __future__ import annotations

from typing import Any

from skedema._pages import Section, table_of
from skedema.evaluation._report.identifiers import FEWEST
from skedema.evaluation._report.material import Material
from skedema.frames import counted
from skedema.scans._remarks import unheard


def cohort(material: Material) -> Section:
    """Describe the columns that may be shown, by class."""
    from skedema.evaluation._table_one import table_one

    result = material.result
    keys = material.table.keys
    shown = [*material.shown, *material.scan_positions]
    columns = shown if keys is None else [keys[p] for p in shown]
    with unheard():  # of words that stand for missing values evaluate has warned
        least = 1 if material.identifiers else FEWEST
        by = None if result.of_numbers else result.y
        table = table_one(result.X, by, columns=columns, least=least)
    pieces: list[Any] = [
        table_of(
            table,
            "Table 1",
            note=""
            if result.of_numbers
            else "SMD: standardised mean difference between the classes, of more than two the "
            "greatest.",
        )
    ]
    if material.hidden:
        pieces.append(
            "Not shown, here and below, because it may say who a patient is, or when they came: "
            f"{counted(len(material.hidden), 'column', 'columns')}."
        )
    return Section("Cohort", pieces)
