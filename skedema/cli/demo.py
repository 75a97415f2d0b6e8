"""``skedema demo``: a simulated cohort, evaluated, with a report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from skedema.cli._command import command
from skedema.cli._output import need, show, write_table
from skedema.cli._run import Run


@command
def demo(
    run: Run,
    folder: Annotated[
        Path, typer.Argument(help="Where cohort, scans and report are written.", file_okay=False)
    ] = Path("skedema-demo"),
    patients: Annotated[int, typer.Option(min=40, help="How many are simulated.")] = 120,
    seed: Annotated[int, typer.Option(help="Decides them, and all else.")] = 0,
) -> None:
    """Simulate patients with scans, evaluate a model on them, and write a report."""
    from skedema.classifier import AttentionMixerClassifier
    from skedema.datasets import make_head_ct_cohort
    from skedema.evaluation import evaluate

    need("report", "skedema demo")
    folder.mkdir(parents=True, exist_ok=True)
    run.goes_on_with(folder, "")
    made = make_head_ct_cohort(
        patients, folder / "scans", random_state=seed, n_jobs=run.jobs, verbose=run.shown
    )
    table = made.frame.reset_index()
    table["scan"] = [f"scans/{Path(scan).name}" for scan in table["scan"]]
    table["edema"] = made.target.to_numpy()
    write_table(table, folder / "cohort.csv")
    model = AttentionMixerClassifier(
        image="scan", memory=str(folder / "memory"), n_jobs=run.jobs, random_state=seed
    )
    result: Any = evaluate(
        {"skedema": model},
        made.frame,
        made.target,
        n_jobs=run.jobs,
        storage=folder / "folds",
        random_state=seed,
        verbose=run.shown,
    )
    show(result.table().T)
    result.report(folder / "report.html")
    run.say(
        f"the same by hand: skedema evaluate {folder / 'cohort.csv'} --image scan "
        "--id patient --target edema --report report.html"
    )
    print(folder / "report.html")
