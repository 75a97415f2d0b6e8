"""``skedema check``: what is odd about a table and its scans."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skedema.cli import _codes
from skedema.cli._cohort import CohortPath, ColumnOptions, Task, TaskOption, read_cohort
from skedema.cli._command import command
from skedema.cli._file import FileOptions
from skedema.cli._findings import find, told
from skedema.cli._output import check_table_place, write_table
from skedema.cli._run import Run


@command
def check(
    cohort: CohortPath,
    columns: ColumnOptions,
    file: FileOptions,
    run: Run,
    target: Annotated[
        str | None,
        typer.Option(help="Column of the classes or numbers, to find what gives them away."),
    ] = None,
    task: TaskOption = Task.auto,
    heads: Annotated[
        bool, typer.Option(help="Also try to find each head and brain, which takes longer.")
    ] = True,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write a CSV, a row a finding; - for standard output."),
    ] = None,
) -> None:
    """Read every scan and column once, and say what is odd: findings exit by 1."""
    from skedema.scans import VolumeReader

    check_table_place(output, "--output")
    table = read_cohort(cohort, file, columns, target=target, task=task, say=run.say)
    reader = VolumeReader(template="head") if heads else None
    findings = find(table, columns.scans, reader, run)
    if output is not None:
        write_table(findings, output)
    if str(output) != "-":
        print(told(findings, len(table.X)) or "nothing odd was found")
    run.say(f"{len(findings)} findings in {len(table.X)} rows")
    if len(findings):
        raise typer.Exit(_codes.DATA)
