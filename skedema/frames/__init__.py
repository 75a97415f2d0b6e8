"""Tables of patients: from any DataFrame or array to plain columns, matched by name."""

from __future__ import annotations

from skedema.frames.columns import (
    find_column,
    find_columns,
    find_scan_columns,
    match_columns,
)
from skedema.frames.patient import read_patient
from skedema.frames.reading import read_table
from skedema.frames.rows import check_same_rows
from skedema.frames.table import Column, Table, counted, listed, listing, masked

__all__ = [
    "Column",
    "Table",
    "check_same_rows",
    "counted",
    "find_column",
    "find_columns",
    "find_scan_columns",
    "listed",
    "listing",
    "masked",
    "match_columns",
    "read_patient",
    "read_table",
]
