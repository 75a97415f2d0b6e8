"""``skedema pretrain``: an encoder from scans without labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skedema.cli._cohort import CohortPath, ColumnOptions, read_cohort
from skedema.cli._command import command
from skedema.cli._file import FileOptions
from skedema.cli._model import OwnOptions, PlanOptions, make_autoencoder, save_model
from skedema.cli._output import check_place
from skedema.cli._plan import dry_run
from skedema.cli._run import Run
from skedema.cli._scans import only_scans

_MINUTES = 1.0  # between checkpoints: what Ctrl-C may lose


@command
def pretrain(
    cohort: CohortPath,
    columns: ColumnOptions,
    file: FileOptions,
    model: OwnOptions,
    plan: PlanOptions,
    run: Run,
    checkpoints: Annotated[
        Path, typer.Option(help="Folder for checkpoints, from which the same command goes on.")
    ] = Path("checkpoints"),
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file to write the encoder to.")
    ] = Path("encoder.skedema"),
) -> None:
    """Pre-train an autoencoder on scans, for --encoder of the other commands."""
    import pandas as pd

    check_place(output, "--output")
    table = only_scans(read_cohort(cohort, file, columns, say=run.say), columns.scans, run)
    scans = pd.concat([table.X[name] for name in columns.scans]).dropna()
    autoencoder = make_autoencoder(
        model,
        run,
        memory=plan.memory,
        checkpoint_dir=str(checkpoints),
        checkpoint_minutes=_MINUTES,
    )
    if plan.dry_run:
        from contextlib import redirect_stdout
        from io import StringIO

        def cost() -> object:
            with redirect_stdout(StringIO()):  # it prints what it gives
                return autoencoder.estimate(scans)

        dry_run(table, columns.scans, autoencoder.volume, cost, run)
    every = autoencoder.checkpoint_minutes
    run.how_to_go_on = (
        f"a checkpoint is written to {checkpoints} every {every:g} minutes of work, and the same "
        "command goes on from the newest"
    )
    autoencoder.fit(scans)
    save_model(output, autoencoder, image=columns.of_classifier)
    print(output)
