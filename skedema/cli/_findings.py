"""What is odd about a cohort: a finding a line of the file, and a finding a column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skedema.cli._cohort import Cohort, listed
from skedema.cli._run import Run

if TYPE_CHECKING:
    import pandas as pd


def find(cohort: Cohort, images: list[str], reader: Any, run: Run) -> pd.DataFrame:
    """Read every scan, look at every column; a row a finding.

    The columns are row (the line of the file; empty for what is about a whole column), those of
    ``--id``, column, value (of the cell), stops (whether a fit would refuse it) and finding.
    """
    import pandas as pd

    from skedema.clinical.check import check as check_columns
    from skedema.scans import check as check_scans
    from skedema.scans._addresses import scheme_of, shown

    rows: list[dict[str, Any]] = []
    for image in images:
        table = check_scans(
            cohort.X[image], volume=reader, n_jobs=run.jobs, verbose=run.shown
        ).set_axis(cohort.raw.index)
        for line, found in table.iterrows():
            raw = cohort.raw.loc[line]
            absent = found["scan"] == "missing"
            for text in found["findings"]:
                rows.append(
                    {
                        "row": line,
                        **{name: raw[name] for name in cohort.ids},
                        "column": image,
                        "value": shown(raw[image]) if scheme_of(raw[image]) else raw[image],
                        "stops": not (found["readable"] or absent),
                        "finding": text,
                    }
                )
    if len(cohort.X.columns) > len(images):
        numbers = None if cohort.y is None else cohort.regression
        columns = check_columns(cohort.X, cohort.y, image=images or None, numbers=numbers)
        for _, found in columns.iterrows():
            rows += [
                {
                    "row": "",
                    "column": found["column"],
                    "value": "",
                    "stops": found["kind"] == "refused",
                    "finding": text,
                }
                for text in found["findings"]
            ]
    columns = ["row", *cohort.ids, "column", "value", "stops", "finding"]
    return pd.DataFrame(rows, columns=columns).fillna("")


def told(findings: pd.DataFrame, n_rows: int) -> str:
    """Write findings as text: those that are alike together, the most frequent first."""
    lines = []
    alike = findings.groupby(["column", "finding"], sort=False)
    for (column, text), group in sorted(alike, key=lambda each: -len(each[1])):
        where = [row.removeprefix("line ") for row in group["row"] if row]
        at = f", {'lines' if len(where) > 1 else 'line'} {listed(where)}" if where else ""
        if len(where) == n_rows > 1:
            at = ", every row"
        stop = "  STOPS A FIT" if group["stops"].any() else ""
        lines.append(f"{column}{at}: {text}{stop}")
    return "\n".join(lines)
