"""The tables of a paper on fusion in one command: a comparison, an ablation, and what is missing.

    python -m benchmarks.paper [--only comparison,ablation,missing,arms,patients,real] [--quick]

Simulated patients with labels (seed 0), whose exact posterior is known, and others (seed 1) whose
scans pre-train one encoder for all models. Every model of `skedema.baselines` is tuned within the
training part of each fold; all are printed, those that win and those that fail as well. Everything
is kept under `--storage`, so that a run that was stopped goes on; take another folder after a
change of the code. Tables go to standard output, progress to standard error.
"""

import argparse
import datetime
import os
import platform
import shlex
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.paper.cohorts import MISSING_MORE, SEED, SEED_UNLABELLED, cohort, unlabelled_scans
from benchmarks.paper.missing import arms_table, curve_tables
from benchmarks.paper.models import (
    AVERAGED,
    NAME,
    Encoders,
    ablation,
    ablation_notes,
    averaged,
    comparison,
    encoders,
    on_true_findings,
    settings,
)
from benchmarks.paper.oracle import ABOUT, oracle_rows, true_findings
from benchmarks.paper.patients import patients_table
from benchmarks.paper.plan import PARTS, Plan
from benchmarks.paper.real import real_tables
from benchmarks.paper.runs import run, with_known
from benchmarks.paper.tables import COLUMNS, comparison_table

PACKAGES = ("skedema", "torch", "scikit-learn", "numpy", "scipy", "pandas")


def main(arguments: Sequence[str] | None = None) -> None:
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    only, plan = parse(arguments)
    patients = cohort(plan)
    encoder = ready(encoders(unlabelled_scans(plan), plan), patients)
    print(
        f"{plan.patients} simulated patients, {int(patients.target.sum())} with edema, "
        f"{plan.folds} folds x {plan.seeds} seeds. {settings(plan)}"
    )
    for part in only:
        title, table = TABLES[part]
        print(f"\n## {title}\n\n{table(encoder, patients, plan)}", flush=True)
    print(f"\n{colophon(arguments, plan)}")


def ready(given: Encoders, patients: Any) -> Encoders:
    """Encode the patients once for all processes, whose progress would mix."""
    given.compact.transform(patients.frame["scan"])
    given.full.set_params(verbose=0)
    return given


def parse(arguments: Sequence[str]) -> tuple[list[str], Plan]:
    parser = argparse.ArgumentParser(prog="benchmarks.paper", description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, help="with labels (400; quick: 120)")
    parser.add_argument("--unlabelled", type=int, help="for pre-training (400; quick: 120)")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, help="each with other folds (3; quick: 1)")
    parser.add_argument("--jobs", type=int, default=2, help="fits at the same time")
    parser.add_argument("--storage", type=Path, help="(results/paper; quick: results/paper-quick)")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas between them")
    parser.add_argument("--quick", action="store_true", help="a small run that shows it works")
    given = parser.parse_args(arguments)
    only = given.only.split(",")
    for part in only:
        if part not in PARTS:
            parser.error(f"--only names {part!r}; there are {', '.join(PARTS)}.")
    usual = (120, 120, 1, "results/paper-quick") if given.quick else (400, 400, 3, "results/paper")
    chosen = (given.patients, given.unlabelled, given.seeds, given.storage)
    patients, unlabelled, seeds, storage = (
        default if value is None else value for value, default in zip(chosen, usual, strict=True)
    )
    folder = Path(storage).resolve()
    return only, Plan(folder, patients, unlabelled, given.folds, seeds, given.jobs, given.quick)


def comparison_part(encoder: Encoders, patients: Any, plan: Plan) -> str:
    X, y = patients.frame, patients.target

    findings = true_findings(patients)

    def models_of(seed: int) -> dict[str, Any]:
        mean = {f"{NAME}, mean of {AVERAGED}": averaged(encoder, seed, plan)}
        told = on_true_findings(findings, X, seed, plan)
        return comparison(encoder, X, seed, plan) | mean | told

    done = run("comparison", models_of, X, y, plan, plan.seeds)
    known = None if NAME in done.failed else with_known(done, NAME, oracle_rows(patients))
    return f"{COLUMNS} {ABOUT}\n\n{comparison_table(done, NAME, known=known)}"


def ablation_part(encoder: Encoders, patients: Any, plan: Plan) -> str:
    X, y = patients.frame, patients.target
    initial = ready(encoders(unlabelled_scans(plan), plan, random_weights=True), patients)

    def models_of(seed: int) -> dict[str, Any]:
        return ablation(encoder, initial, seed, plan)

    done = run("ablation", models_of, X, y, plan, plan.seeds)
    table = comparison_table(done, NAME, notes=ablation_notes(plan))
    return f"{COLUMNS} A row of fewer seeds is compared on these.\n\n{table}"


def missing_part(encoder: Encoders, patients: Any, plan: Plan) -> str:
    return curve_tables(encoder, patients.frame, patients.target, plan)


def arms_part(encoder: Encoders, patients: Any, plan: Plan) -> str:
    return arms_table(encoder, cohort(plan, MISSING_MORE), MISSING_MORE, plan)


def patients_part(encoder: Encoders, patients: Any, plan: Plan) -> str:
    return patients_table(plan)


def real_part(encoder: Encoders, patients: Any, plan: Plan) -> str:
    return real_tables(encoder, plan)


TABLES: dict[str, tuple[str, Callable[[Encoders, Any, Plan], str]]] = {
    "comparison": ("Comparison", comparison_part),
    "ablation": ("Ablation", ablation_part),
    "missing": ("Values missing in prediction", missing_part),
    "arms": ("Ways to treat missing values", arms_part),
    "patients": ("More patients", patients_part),
    "real": ("Real exams", real_part),
}


def colophon(arguments: Sequence[str], plan: Plan) -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"`{shlex.join(['python', '-m', 'benchmarks.paper', *arguments])}`; seeds: cohort {SEED}, "
        f"unlabelled {SEED_UNLABELLED}, folds and models 0 to {plan.seeds - 1}; "
        f"{datetime.date.today()}; Python {platform.python_version()}, {versions}; "
        f"{os.cpu_count()} processors."
    )


if __name__ == "__main__":
    main()
