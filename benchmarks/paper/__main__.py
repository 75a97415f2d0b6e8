"""The tables of a paper on fusion in one command.

    python -m benchmarks.paper [--only comparison,interaction,ablation,real] [--quick]

Simulated cohorts of seeds on which nothing was tuned, whose exact posterior is known, and real
exams. Every model gets the same features of a scan, fitted within the training part of a fold; all
are printed, those that win and those that fail as well. `--only` names other parts, too: trained
(encoders trained on labels), missing, arms and patients. Everything is kept under `--storage`, so
that a run that was stopped goes on; take another folder after a change of the code. Tables go to
standard output, progress to standard error.
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

from benchmarks.paper.ablation import ablation_tables, trained_table
from benchmarks.paper.cohorts import SEEDS, SEEDS_QUICK
from benchmarks.paper.comparison import comparison_tables, interaction_tables
from benchmarks.paper.missing import arms_table, curve_tables
from benchmarks.paper.models import settings
from benchmarks.paper.patients import patients_tables
from benchmarks.paper.plan import PARTS, USUAL, Plan
from benchmarks.paper.real import real_tables

PACKAGES = ("skedema", "torch", "scikit-learn", "numpy", "scipy", "pandas")
TABLES: dict[str, tuple[str, Callable[[Plan], str]]] = {
    "comparison": ("Comparison", comparison_tables),
    "interaction": ("Interaction", interaction_tables),
    "ablation": ("Ablation", ablation_tables),
    "real": ("Real exams", real_tables),
    "trained": ("Encoders trained on labels", trained_table),
    "missing": ("Values missing in prediction", curve_tables),
    "arms": ("Ways to treat missing values", arms_table),
    "patients": ("More patients", patients_tables),
}


def main(arguments: Sequence[str] | None = None) -> None:
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    only, plan = parse(arguments)
    print(
        f"{plan.patients} simulated patients a cohort, {plan.folds} folds x "
        f"{plan.seeds} {'seed' if plan.seeds == 1 else 'seeds'}. {settings(plan)}"
    )
    for part in only:
        title, tables = TABLES[part]
        print(f"\n## {title}\n\n{tables(plan)}", flush=True)
    print(f"\n{colophon(arguments, plan)}")


def parse(arguments: Sequence[str]) -> tuple[list[str], Plan]:
    parser = argparse.ArgumentParser(prog="benchmarks.paper", description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, help="a cohort (400; quick: 60)")
    parser.add_argument("--cohorts", type=int, nargs="+", help="seeds (71 72 73; quick: 71 72)")
    parser.add_argument("--folds", type=int, help="(5; quick: 2)")
    parser.add_argument("--seeds", type=int, default=1, help="each with other folds")
    parser.add_argument("--jobs", type=int, default=2, help="fits at the same time")
    parser.add_argument("--storage", type=Path, help="(results/paper; quick: results/paper-quick)")
    parser.add_argument("--only", default=",".join(USUAL), help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="a small run that shows it works")
    given = parser.parse_args(arguments)
    only = given.only.split(",")
    for part in only:
        if part not in PARTS:
            parser.error(f"--only names {part!r}; there are {', '.join(PARTS)}.")
    if given.quick:
        usual = (60, SEEDS_QUICK, 2, "results/paper-quick")
    else:
        usual = (400, SEEDS, 5, "results/paper")
    chosen = (given.patients, given.cohorts, given.folds, given.storage)
    patients, cohorts, folds, storage = (
        default if value is None else value for value, default in zip(chosen, usual, strict=True)
    )
    folder = Path(storage).resolve()
    return only, Plan(folder, patients, tuple(cohorts), folds, given.seeds, given.jobs, given.quick)


def colophon(arguments: Sequence[str], plan: Plan) -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"`{shlex.join(['python', '-m', 'benchmarks.paper', *arguments])}`; seeds: cohorts "
        f"{', '.join(map(str, plan.cohorts))}, folds and models 0 to {plan.seeds - 1}; "
        f"{datetime.date.today()}; Python {platform.python_version()}, {versions}; "
        f"{os.cpu_count()} processors."
    )


if __name__ == "__main__":
    main()
