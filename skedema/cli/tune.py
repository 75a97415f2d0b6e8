"""``skedema tune``: a search over parameters that goes on where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from skedema._registry import nearest_name
from skedema.cli._codes import UsageError
from skedema.cli._cohort import (
    CohortPath,
    ColumnOptions,
    Target,
    Task,
    TaskOption,
    read_cohort,
)
from skedema.cli._command import command
from skedema.cli._config import save
from skedema.cli._file import FileOptions
from skedema.cli._model import ModelOptions, PlanOptions, make_model, save_model
from skedema.cli._output import show, write_table
from skedema.cli._plan import dry_run_of
from skedema.cli._run import Run
from skedema.cli._values import toml

_SPACES = ("head", "encoder", "pretraining")


@command
def tune(
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
    space: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="What is searched: head (default), encoder, pretraining. Repeatable.",
        ),
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="Trials in all.")] = 50,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds after which no further trial is begun.")
    ] = None,
    scoring: Annotated[
        str | None,
        typer.Option(help="A score of scikit-learn's; roc_auc, of numbers r2, if not given."),
    ] = None,
    cv: Annotated[int, typer.Option(min=2, help="Folds.")] = 5,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="Folder for trials, and for going on.", file_okay=False
        ),
    ] = Path("tuning"),
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Database for the trials, such as postgresql://me@server/studies: the same "
            "command on several machines, each with its --output, works on one search.",
        ),
    ] = None,
) -> None:
    """Search for parameters; writes best.toml for --config, trials.csv and model.skedema."""
    from skedema.evaluation._splits import shuffled_folds
    from skedema.search import StudySearchCV

    beside = [groups] if groups else []
    table = read_cohort(cohort, file, columns, target=target, task=task, beside=beside, say=run.say)
    scoring = scoring or ("r2" if table.regression else "roc_auc")
    _check_scoring(scoring)
    memory = plan.memory or output / "memory"
    regression = table.regression
    estimator = make_model(
        model, run, image=columns.of_classifier, regression=regression, memory=memory
    )
    drawn = _space(estimator, space or ["head"])
    if plan.dry_run:
        run.say(f"time is that of one of {trials} trials, with the parameters as they are")
        dry_run_of(estimator, table, cv, run)
    output.mkdir(parents=True, exist_ok=True)
    run.goes_on_with(output, "")
    patients = None if groups is None else table.column(groups, "--groups")
    folds = shuffled_folds(table.X, table.y, patients, cv, model.seed, numbers=regression)
    search = StudySearchCV(
        estimator,
        drawn,
        n_trials=trials,
        timeout=timeout,
        scoring=scoring,
        cv=folds,
        storage=storage or str(output / "tuning.journal"),
        n_jobs=run.jobs,
        random_state=model.seed,
        verbose=run.shown,
    )
    search.fit(table.X, table.y)
    write_table(search.trials_, output / "trials.csv")
    save(output / "best.toml", toml({}, {"model": run.model | search.best_params_}))
    save_model(
        output / "model.skedema",
        search.best_estimator_,
        image=columns.of_classifier,
        target=target,
        ids=table.ids,
    )
    best = {"score": search.best_score_} | search.best_params_
    import pandas as pd

    show(pd.Series(best, dtype=object, name=scoring))
    run.say(f"wrote {output / 'best.toml'}, for --config; the score of the best is optimistic")


def _space(classifier: Any, names: list[str]) -> dict[str, Any]:
    from skedema.encoders import make_encoder
    from skedema.search import encoder_space, head_space, pretraining_space

    found: dict[str, Any] = {}
    for name in names:
        if name not in _SPACES:
            raise UsageError(f"--space {name}: there is none. {nearest_name(name, _SPACES)}")
        if name == "head":
            found |= head_space()
            continue
        classifier.set_params(encoder=make_encoder(classifier.encoder))
        found |= encoder_space(classifier.encoder) if name == "encoder" else pretraining_space()
    return found


def _check_scoring(name: str) -> None:
    from sklearn.metrics import get_scorer_names

    if name not in get_scorer_names():
        raise UsageError(f"--scoring {name}: {nearest_name(name, get_scorer_names())}")
