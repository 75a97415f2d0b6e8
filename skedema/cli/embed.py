"""``skedema embed``: scans as a table of numbers."""

from __future__ import annotations

from pathlib import Path

from skedema.cli._cohort import CohortPath, ColumnOptions, read_cohort
from skedema.cli._command import command
from skedema.cli._file import FileOptions
from skedema.cli._model import ModelOptions, PlanOptions, make_model
from skedema.cli._output import OutputFile, check_table_place, write_table
from skedema.cli._plan import dry_run
from skedema.cli._run import Run
from skedema.cli._scans import only_scans


@command
def embed(
    cohort: CohortPath,
    columns: ColumnOptions,
    file: FileOptions,
    model: ModelOptions,
    plan: PlanOptions,
    run: Run,
    output: OutputFile = Path("-"),
) -> None:
    """Write what an encoder makes of scans: a row a patient, a column a feature of a scan."""
    import pandas as pd

    from skedema.baselines import ScanFeatures
    from skedema.baselines._parts import reader_of

    check_table_place(output, "--output")
    table = only_scans(read_cohort(cohort, file, columns, say=run.say), columns.scans, run)
    classifier = make_model(model, run, image=columns.of_classifier, memory=plan.memory)
    if plan.dry_run:
        dry_run(table, columns.scans, reader_of(classifier), None, run)
    named = ("image", "encoder", "volume", "memory", "device", "n_jobs", "random_state")
    features = ScanFeatures(**{name: getattr(classifier, name) for name in named})
    run.how_to_go_on = "nothing was written" + (
        "; what was encoded is kept in --memory" if plan.memory else ""
    )
    run.say(f"encoding {int(table.X.notna().to_numpy().sum())} scans")
    features.set_params(verbose=run.shown).set_output(transform="pandas")
    numbers = features.fit_transform(table.X).reset_index(drop=True)
    own = table.raw[[*table.ids, *columns.scans]].reset_index(names="row")
    write_table(pd.concat([own, numbers], axis="columns"), output)
