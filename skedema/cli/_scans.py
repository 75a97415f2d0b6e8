"""Commands on scans alone."""

from __future__ import annotations

from dataclasses import replace

from skedema.cli._codes import DataError, UsageError
from skedema.cli._cohort import Cohort, listed
from skedema.cli._run import Run


def only_scans(table: Cohort, image: str | None, run: Run) -> Cohort:
    """Keep the column of scans, and rows that have one."""
    if image is None:
        raise UsageError("Give the column of the scans: --image NAME.")
    has = table.X[image].notna().to_numpy()
    if not has.any():
        raise DataError(f"{table.path}: no row has a scan in column {image!r}.")
    if not has.all():
        run.say(
            f"left out {int((~has).sum())} of {len(has)} rows, which have no scan: "
            f"{listed(table.raw.index[~has])}"
        )
    return replace(table, raw=table.raw[has], X=table.X.loc[has, [image]], y=None)
