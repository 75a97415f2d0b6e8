"""``skedema explain``: one patient."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from skedema._registry import nearest_name
from skedema.cli._codes import UsageError
from skedema.cli._cohort import CohortPath, check_columns, listed
from skedema.cli._command import command
from skedema.cli._file import FileOptions, read_file
from skedema.cli._labels import positive_label
from skedema.cli._model import load_model
from skedema.cli._output import check_place, need
from skedema.cli._run import Run
from skedema.cli.predict import MemoryPath, ModelPath, model_features


@command
def explain(
    model: ModelPath,
    cohort: CohortPath,
    file: FileOptions,
    run: Run,
    row: Annotated[
        int | None, typer.Option(min=2, help="The line of the file; the header is line 1.")
    ] = None,
    id_: Annotated[
        str | None, typer.Option("--id", metavar="COLUMN=VALUE", help="Or who it is.")
    ] = None,
    positive: Annotated[
        str | None, typer.Option(help="The class that is spoken of, such as edema.")
    ] = None,
    scan: Annotated[
        bool, typer.Option("--scan", help="Also where in the scan, which takes longer.")
    ] = False,
    image: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Of several scans, the one for --scan."),
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write a page: one HTML file.")] = None,
    memory: MemoryPath = None,
) -> None:
    """Explain the prediction of one row: what moved it, what was missing, where in the scan."""
    from skedema._one_outcome import classes_of
    from skedema.inspection import explain as explained

    check_place(report, "--report")
    if report is not None:
        need("report", "--report")
    raw = read_file(cohort, file)
    line = find_row(raw, row, id_, cohort)
    held = load_model(model, "classifier")
    patient = model_features(held, raw.loc[[line]], cohort, file)
    classifier = held["model"].set_params(
        n_jobs=run.jobs, memory=None if memory is None else str(memory)
    )
    looked_into = which_scan(classifier, image, scan)
    classes = classes_of(classifier)
    spoken = None if positive is None else positive_label(classes, positive, run.say)
    found = explained(classifier, patient, target=spoken, scan=looked_into)
    print(found)
    if report is not None:
        found.report(report)
        run.say(f"wrote {report}")


def which_scan(classifier: Any, image: str | None, scan: bool) -> bool | str:
    """Tell which scan is looked into, as `explain` has it."""
    names = classifier._columns.scan_names
    if image is not None and image not in names:
        raise UsageError(f"--image {image}: the model has the scans {', '.join(map(repr, names))}.")
    if scan and image is None and len(names) > 1:
        raise UsageError(f"--scan looks into one scan: --image {' or --image '.join(names)}.")
    return scan if image is None else image


def find_row(raw: Any, row: int | None, name: str | None, path: Path) -> str:
    """Find a row by its line, or by what one of its columns holds."""
    if (row is None) == (name is None):
        raise UsageError("Say which row: --row LINE, or --id COLUMN=VALUE.")
    if name is None:
        if f"line {row}" not in raw.index:
            first, last = raw.index[0], raw.index[-1]
            raise UsageError(f"--row {row}: {path} has rows from {first} to {last}.")
        return f"line {row}"
    column, sign, value = name.partition("=")
    if not sign:
        raise UsageError(f"--id {name}: write COLUMN=VALUE, such as --id patient=P-17.")
    check_columns(raw, [column], "--id", path)
    found = raw.index[raw[column] == value]
    if len(found) == 0:
        hint = nearest_name(value, set(raw[column]))
        raise UsageError(f"--id {name}: no row of {path} has it. {hint}")
    if len(found) > 1:
        raise UsageError(f"--id {name}: {len(found)} rows have it, {listed(found)}; give --row.")
    return str(found[0])
