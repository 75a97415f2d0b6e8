"""All models on all cohorts, and some of them where scan and table say more only together."""

from typing import Any

from benchmarks.paper.cohorts import cohort
from benchmarks.paper.models import (
    AVERAGED,
    NAME,
    ON_INTERACTION,
    averaged,
    comparison,
    on_true_findings,
)
from benchmarks.paper.oracle import ABOUT, ORACLES, oracle_rows, true_findings
from benchmarks.paper.plan import Plan
from benchmarks.paper.runs import Run, run, with_known
from benchmarks.paper.tables import (
    COLUMNS,
    COLUMNS_OVER_COHORTS,
    cohorts_table,
    comparison_table,
)


def comparison_tables(plan: Plan) -> str:
    """The means over the cohorts, then a table a cohort."""
    runs = {seed: _compared(plan, seed) for seed in plan.cohorts}
    text = [f"{COLUMNS_OVER_COHORTS} {ABOUT}", cohorts_table(runs, NAME)]
    for number, (seed, done) in enumerate(runs.items()):
        text.append(f"### Cohort {seed}")
        text += [COLUMNS] if number == 0 else []
        text.append(comparison_table(done, NAME, known=ORACLES))
    return "\n\n".join(text)


def interaction_tables(plan: Plan) -> str:
    """The same, fewer models, on the cohorts with interaction."""
    runs = {seed: _compared(plan, seed, interaction=1.0) for seed in plan.cohorts}
    about = (
        "The patients and scans of the comparison with `interaction=1`: in infarcts four clinical "
        "variables tell the opposite of what they tell elsewhere (see `docs/datasets.md`). What a "
        "model that only adds scan and table can reach lies far below the exact posterior. "
    )
    return f"{about}{COLUMNS_OVER_COHORTS}\n\n{cohorts_table(runs, NAME)}"


def _compared(plan: Plan, seed: int, *, interaction: float = 0.0) -> Run:
    patients = cohort(plan, seed, interaction=interaction)
    X, y = patients.frame, patients.target
    findings = true_findings(patients)

    def models_of(split: int) -> dict[str, Any]:
        models = comparison(X, split, plan)
        if interaction:
            models = {name: models[name] for name in ON_INTERACTION}
        else:
            models[f"{NAME}, mean of {AVERAGED}"] = averaged(split, plan)
        return models | on_true_findings(findings, X, split, plan)

    what = f"cohort {seed}" + (", interaction" if interaction else "")
    done = run(what, models_of, X, y, plan, plan.seeds)
    return with_known(done, NAME, oracle_rows(patients))
