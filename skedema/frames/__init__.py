"""Tables of patients: from any DataFrame or array to plain columns, matched by name."""

from __future__ import annotations

from skedema.frames.columns import find_column, match_columns
from skedema.frames.reading import read_table
from skedema.frames.table import Column, Table, listed, listing

__all__ = ["Column", "Table", "find_column", "listed", "listing", "match_columns", "read_table"]
