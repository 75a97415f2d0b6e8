"""Values that are missing: more and more of them in prediction, and ways to treat them."""

import sys
from typing import Any

import pandas as pd
from sklearn.model_selection import StratifiedKFold

from benchmarks.paper.cohorts import MISSING_MORE, cohort
from benchmarks.paper.models import NAME, comparison, fusions
from benchmarks.paper.plan import Plan
from benchmarks.paper.runs import kept_or_error, run, side_by_side
from benchmarks.paper.tables import auc_cell, failures, markdown, number
from skedema._caching.meaning import digest
from skedema.baselines import missing_arms
from skedema.evaluation import missing_curve

SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
SHARES_QUICK = (0.0, 0.3, 0.7)
OTHERS = ("fusion, film", "frozen features, gradient boosting")
TOKEN = "learnable token"


def curve_tables(plan: Plan) -> str:
    """A table a pattern: AUC by the share of clinical values that are taken away."""
    patients = cohort(plan, plan.cohorts[0])
    X, y = patients.frame, patients.target
    mixer = fusions(X, 0, plan)[NAME]
    models = {f"{NAME}, {name}": model for name, model in missing_arms(mixer).items()}
    others = comparison(X, 0, plan)
    models |= {name: others[name] for name in OTHERS}
    shares = SHARES_QUICK if plan.quick else SHARES
    splits = list(StratifiedKFold(plan.folds, shuffle=True, random_state=0).split(X, y))
    print(f"missing: {len(models)} models", file=sys.stderr, flush=True)
    calls = [
        (name, model, X, y, fold, split, shares, plan)
        for name, model in models.items()
        for fold, split in enumerate(splits)
    ]
    found = side_by_side(_curve, calls, plan)
    failed = {name: part for name, part in found if isinstance(part, str)}
    parts = [part for name, part in found if name not in failed]
    text = [
        "The scan stays; of the clinical values that are there, a share is taken away in "
        f"prediction, after training as it is. AUC on cohort {plan.cohorts[0]}, mean over "
        f"{plan.folds} folds, seed 0. The patterns of variables take whole ones, by each model's "
        "own importance on its training part or at random."
    ]
    table = pd.concat(parts) if parts else pd.DataFrame({"pattern": []})
    for pattern in table["pattern"].unique():
        means = (
            table[table["pattern"] == pattern]
            .groupby(["estimator", "share"])["roc_auc"]
            .mean()
            .unstack("share")
        )
        rows = [
            [name, "failed"] + [""] * (len(shares) - 1)
            if name in failed
            else [name, *(number(value) for value in means.loc[name])]
            for name in models
        ]
        text += [f"### {pattern.capitalize()}", markdown(["model", *map(str, shares)], rows)]
    text += [failures(failed)] if failed else []
    return "\n\n".join(text)


def _curve(
    name: str, model: Any, X: Any, y: Any, fold: int, split: Any, shares: Any, plan: Plan
) -> tuple[str, pd.DataFrame | str]:
    known = digest(("curve", model, X, y, *split, shares, fold), name)

    def make() -> pd.DataFrame:
        return missing_curve(
            {name: model},
            X,
            y,
            keep=["scan"],
            shares=shares,
            cv=[split],
            random_state=fold,  # other gaps in each fold, the same for all models
        )

    found = kept_or_error(plan.storage / "curves" / f"{known}.pkl", make)
    if isinstance(found, str):
        return name, found
    return name, found.assign(estimator=name, fold=fold)


def arms_table(plan: Plan) -> str:
    """A row a fusion, a column a way to treat missing values."""
    patients = cohort(plan, plan.cohorts[0], missing=MISSING_MORE)
    X, y = patients.frame, patients.target

    def models_of(seed: int) -> dict[str, Any]:
        return {
            f"{fusion}: {arm}": model
            for fusion, given in fusions(X, seed, plan).items()
            for arm, model in missing_arms(given).items()
        }

    done = run("arms", models_of, X, y, plan, 1)
    ways = [TOKEN, "attention mask", "mean plus indicator", "modality dropout"]
    rows = []
    for fusion in fusions(X, 0, plan):
        names = [f"{fusion}: {way}" for way in ways]
        known = {*done.names, *done.failed}
        rows.append([fusion, *(auc_cell(done, name) if name in known else "" for name in names)])
    gaps = X.drop(columns="scan").isna().mean().mean()
    text = [
        f"Patients and scans of cohort {plan.cohorts[0]}, drawn with missing={MISSING_MORE:g} "
        f"({gaps:.0%} of all clinical values are missing, in training and in prediction), so that "
        f"the ways can differ. AUC (95 %), {plan.folds} folds, seed 0, nothing tuned. An empty "
        "cell: the fusion has no such way. The product of experts leaves out what is missing "
        "whatever its token is.",
        markdown(["fusion", *ways], rows),
    ]
    text += [failures(done.failed)] if done.failed else []
    return "\n\n".join(text)
