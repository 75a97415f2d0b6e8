"""How many patients it takes: models that are told what the scans show, on more and more of them.

Patients are drawn without their scans, which makes thousands of them cheap, and the test patients
are many, so that figures differ by more than chance.
"""

import functools
import sys
from typing import Any

import numpy as np
import pandas as pd
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import FunctionTransformer

from benchmarks.paper.cohorts import MISSING
from benchmarks.paper.models import NAME, rivals
from benchmarks.paper.oracle import finding_columns, oracle_rows
from benchmarks.paper.plan import Plan
from benchmarks.paper.runs import kept_or_error, side_by_side
from benchmarks.paper.tables import failures, markdown
from skedema import AttentionMixerClassifier
from skedema._caching.meaning import digest
from skedema.datasets._patients import draw_patients

SIZES, SIZES_QUICK = (320, 1000, 3000, 10000), (100, 300)
TESTED, TESTED_QUICK = 10000, 500
TEST_SEED = 1_000_000
DRAWS = 3
COMPARED = (
    "metadata alone",
    "fusion, concat",
    "fusion, film",
    "fusion, product of experts",
    "frozen features, gradient boosting",
    "frozen features, logistic regression",
)


def patients_tables(plan: Plan) -> str:
    """A table for the usual patients, and one for those with interaction."""
    about = (
        "AUC by the number of training patients, who are told the true findings in place of scans "
        f"(pattern, and severity within each pattern), on {_n_tested(plan)} others; mean +- sd "
        f"over {_draws(plan)} draws of training patients. Nothing is tuned beyond what tunes "
        "itself."
    )
    usual, more = (_table(interaction, plan) for interaction in (0.0, 1.0))
    return f"{about}\n\n{usual}\n\n### With interaction=1\n\n{more}"


def _n_tested(plan: Plan) -> int:
    return TESTED_QUICK if plan.quick else TESTED


def _draws(plan: Plan) -> int:
    return 1 if plan.quick else DRAWS


def _table(interaction: float, plan: Plan) -> str:
    """A row a model, a column a number of training patients, and the oracle."""
    sizes = SIZES_QUICK if plan.quick else SIZES
    tested = drawn(_n_tested(plan), TEST_SEED, interaction)
    names = list(_models(0, tested[0]))
    print(
        f"patients, interaction {interaction:g}: {len(names)} models", file=sys.stderr, flush=True
    )
    calls = [
        (name, n, seed, interaction, plan)
        for n in sizes
        for name in names
        for seed in range(_draws(plan))
    ]
    found = side_by_side(_auc, calls, plan)
    failed = {name: value for name, _, value in found if isinstance(value, str)}
    table = pd.DataFrame(
        [row for row in found if row[0] not in failed], columns=["model", "n", "auc"]
    )
    rows = []
    for name in names:
        if name in failed:
            rows.append([name, "failed"] + [""] * (len(sizes) - 1))
            continue
        of = table[table["model"] == name].groupby("n")["auc"]
        spread = of.std(ddof=1).fillna(0.0)
        rows.append([name, *(f"{of.mean()[n]:.3f} +- {spread[n]:.3f}" for n in sizes)])
    for name, probability in tested[2].items():
        rows.append([name, *[f"{roc_auc_score(tested[1], probability):.3f}"] * len(sizes)])
    text = [markdown(["model", *map(str, sizes)], rows)]
    text += [failures(failed)] if failed else []
    return "\n\n".join(text)


@functools.cache
def drawn(n: int, seed: int, interaction: float) -> tuple[pd.DataFrame, np.ndarray, dict]:
    """Patients without scans: a table with their findings in the scan's place, y, the oracle."""
    patients = draw_patients(n, MISSING, np.random.SeedSequence(seed), interaction=interaction)
    findings = finding_columns(patients.pattern, patients.severity)
    scans = pd.Series([row.reshape(-1, 1, 1) for row in findings], index=patients.clinical.index)
    return patients.clinical.assign(scan=scans), patients.target, oracle_rows(patients)


def as_rows(scans: Any) -> np.ndarray:
    return np.stack([np.ravel(findings) for findings in scans])


def _models(seed: int, X: pd.DataFrame) -> dict[str, Any]:
    encoder = FrozenEstimator(FunctionTransformer(as_rows))
    told = AttentionMixerClassifier(
        image="scan", encoder=encoder, fine_tune=False, random_state=seed
    )
    others = rivals(told, X)
    return {NAME: told, **{name: others[name] for name in COMPARED}}


def _auc(
    name: str, n: int, seed: int, interaction: float, plan: Plan
) -> tuple[str, int, float | str]:
    X_test, y_test, _ = drawn(_n_tested(plan), TEST_SEED, interaction)
    model = _models(seed, X_test)[name]
    known = digest(("patients", model, n, seed, len(y_test), interaction), name)

    def make() -> float:
        X, y, _ = drawn(n, seed, interaction)
        return float(roc_auc_score(y_test, model.fit(X, y).predict_proba(X_test)[:, 1]))

    return name, n, kept_or_error(plan.storage / "patients" / f"{known}.pkl", make)
