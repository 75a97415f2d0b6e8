"""``skedema fit``: train a model on all patients, and write it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skedema.cli._cohort import (
    CohortPath,
    ColumnOptions,
    Target,
    Task,
    TaskOption,
    read_cohort,
)
from skedema.cli._command import command
from skedema.cli._file import FileOptions
from skedema.cli._model import ModelOptions, PlanOptions, make_model, save_model
from skedema.cli._output import check_place
from skedema.cli._plan import dry_run_of
from skedema.cli._run import Run


@command
def fit(
    cohort: CohortPath,
    target: Target,
    columns: ColumnOptions,
    file: FileOptions,
    model: ModelOptions,
    plan: PlanOptions,
    run: Run,
    task: TaskOption = Task.auto,
    checkpoints: Annotated[
        Path | None,
        typer.Option(help="Folder for checkpoints, from which the same command goes on."),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file to write the model to.")
    ] = Path("model.skedema"),
) -> None:
    """Train a model on all rows, and write it to a file for predict and explain."""
    check_place(output, "--output")
    table = read_cohort(cohort, file, columns, target=target, task=task, say=run.say)
    places = {"memory": plan.memory, "checkpoints": checkpoints}
    estimator = make_model(
        model, run, image=columns.of_classifier, regression=table.regression, **places
    )
    if plan.dry_run:
        dry_run_of(estimator, table, None, run)
    kept = ["no model was written"]
    if plan.memory:
        kept.append("what was read is kept in --memory")
    if estimator.checkpoint_dir is not None:
        kept.append(f"the same command goes on from the checkpoint in {estimator.checkpoint_dir}")
    run.how_to_go_on = "; ".join(kept)
    run.say(f"training on {len(table.X)} rows")
    estimator.fit(table.X, table.y)
    save_model(output, estimator, image=columns.of_classifier, target=target, ids=table.ids)
    print(output)
