"""``skedema evaluate``: how good a model is, cross-validated, beside others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from skedema._registry import nearest_name
from skedema.cli._codes import UsageError
from skedema.cli._cohort import (
    Cohort,
    CohortPath,
    ColumnOptions,
    Target,
    Task,
    TaskOption,
    check_columns,
    read_cohort,
)
from skedema.cli._command import command
from skedema.cli._config import save
from skedema.cli._file import FileOptions, read_file
from skedema.cli._labels import positive_label
from skedema.cli._model import ModelOptions, PlanOptions, make_model
from skedema.cli._output import check_place, need
from skedema.cli._plan import dry_run_of
from skedema.cli._results import NAME, show_result, write_result
from skedema.cli._run import Run


@command
def evaluate(
    cohort: CohortPath,
    target: Target,
    columns: ColumnOptions,
    file: FileOptions,
    model: ModelOptions,
    plan: PlanOptions,
    run: Run,
    task: TaskOption = Task.auto,
    groups: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column of the patient, where one has several rows."),
    ] = None,
    positive: Annotated[
        str | None, typer.Option(help="The class that figures are of, such as edema.")
    ] = None,
    cv: Annotated[int, typer.Option(min=2, help="Folds.")] = 5,
    repeats: Annotated[int, typer.Option(min=1, help="How often folds are drawn anew.")] = 1,
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Compare with every model that serves the table.")
    ] = False,
    baseline: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Compare with this one of them. Repeatable."),
    ] = None,
    subgroups: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Column of parts to tell apart. Repeatable."),
    ] = None,
    test: Annotated[
        Path | None,
        typer.Option(
            help="A table of other patients, to validate on.", exists=True, dir_okay=False
        ),
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write a report: one HTML file.")] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder for tables and predictions, and for going on.",
            file_okay=False,
        ),
    ] = None,
) -> None:
    """Cross-validate a model, and print its figures with intervals."""
    from skedema.evaluation import evaluate as cross_validate

    check_place(report, "--report")
    if report is not None:
        need("report", "--report")
    beside = [groups] if groups else []
    table = read_cohort(cohort, file, columns, target=target, task=task, beside=beside, say=run.say)
    pos_label = _positive(table, positive, baselines or bool(baseline), run)
    memory = plan.memory or (None if output is None else output / "memory")
    regression = table.regression
    estimator = make_model(
        model, run, image=columns.of_classifier, regression=regression, memory=memory
    )
    patients = None if groups is None else table.column(groups, "--groups")
    folds = _folds(table, patients, cv, repeats, model.seed)
    models = {NAME: estimator} | _others(estimator, table, baselines, baseline)
    parts = {name: table.column(name, "--subgroups") for name in subgroups or []}
    of_features = set(parts) <= set(table.X.columns)  # then those of --test have them as well
    other = None
    if test is not None:
        other = _read_others(test, file, columns, table, target, beside, run)
    if plan.dry_run:
        dry_run_of(estimator, table, folds, run)
    run.goes_on_with(output, "with --output DIR, the same command goes on where it stopped")
    result: Any = cross_validate(
        models,
        table.X,
        table.y,
        cv=folds,
        groups=patients,
        pos_label=pos_label,
        n_jobs=run.jobs,
        storage=None if output is None else output / "folds",
        subgroups=list(parts) if of_features else parts,
        test=None if other is None else (other.X, other.y, *_patients_of(other, groups)),
        trusted_columns=estimator.trusted_columns,
        random_state=model.seed,
        verbose=run.shown,
    )
    show_result(result, str(cohort), list(parts))
    of_test = list(parts) if of_features else []
    if result.external is not None:
        print()
        show_result(result.external, str(test), of_test)
    if output is not None:
        write_result(result, table, list(parts), output)
        if result.external is not None and other is not None:
            write_result(result.external, other, of_test, output / "test")
        save(output / "config.toml", run.as_toml())
        run.say(f"wrote {output}")
    if report is not None:
        result.report(report)
        run.say(f"wrote {report}")


def _positive(table: Cohort, positive: str | None, beside: bool, run: Run) -> Any:
    """Find the class that figures are of; refuse what numbers do not have."""
    if not table.regression:
        return positive_label(table.y, positive, run.say)
    given = {"--positive": positive is not None, "--baselines and --baseline": beside}
    for option, there in given.items():
        if there:
            raise UsageError(f"{option} is for classes, and the target holds numbers.")
    return None


def _others(estimator: Any, table: Cohort, every: bool, chosen: list[str] | None) -> dict[str, Any]:
    if not (every or chosen):
        return {}
    from skedema.baselines import baselines

    made = baselines(estimator, table.X)
    for name in chosen or []:
        if name not in made:
            raise UsageError(f"--baseline {name!r}: there is none. {nearest_name(name, made)}")
    return made if every else {name: made[name] for name in chosen or []}


def _read_others(
    path: Path,
    file: FileOptions,
    columns: ColumnOptions,
    table: Cohort,
    target: str,
    beside: list[str],
    run: Run,
) -> Cohort:
    """Read other patients: the features of a table, whatever else stands beside them."""
    held = set(read_file(path, file).columns)
    ids = [name for name in columns.id_ or [] if name in held]
    check = ColumnOptions(columns.image, ids)
    task = Task.regression if table.regression else Task.classification
    other = read_cohort(path, file, check, target=target, task=task, beside=beside, say=run.say)
    check_columns(other.raw, list(table.X.columns), "--test", path)
    return replace(other, X=other.X[list(table.X.columns)])


def _patients_of(table: Cohort, groups: str | None) -> list[Any]:
    return [] if groups is None else [table.column(groups, "--groups")]


def _folds(table: Cohort, patients: Any, cv: int, repeats: int, seed: int) -> Any:
    """Draw folds; those of the first repeat are those of `evaluate` itself."""
    if repeats == 1:
        return cv
    from skedema.evaluation._splits import shuffled_folds

    folds = []
    for repeat in range(repeats):
        how = (cv, seed + repeat)
        folds += shuffled_folds(table.X, table.y, patients, *how, numbers=table.regression)
    return folds
