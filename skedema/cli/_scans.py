"""Commands on scans alone."""

from __future__ import annotations

from dataclasses import replace

from skedema.cli._codes import DataError, UsageError
from skedema.cli._cohort import Cohort, listed
from skedema.cli._run import Run


def only_scans(table: Cohort, images: list[str], run: Run) -> Cohort:
    """Keep the columns of scans, and rows that have one."""
    if not images:
        raise UsageError("Give the column of the scans: --image NAME.")
    has = table.X[images].notna().any(axis="columns").to_numpy()
    if not has.any():
        columns = " or ".join(map(repr, images))
        raise DataError(f"{table.path}: no row has a scan in column {columns}.")
    if not has.all():
        run.say(
            f"left out {int((~has).sum())} of {len(has)} rows, which have no scan: "
            f"{listed(table.raw.index[~has])}"
        )
    return replace(table, raw=table.raw[has], X=table.X.loc[has, images], y=None)
