"""The simulated patients: those to compare on, and those whose scans teach the encoder."""

from typing import Any

from benchmarks.paper.plan import Plan, kept
from skedema.datasets import make_head_ct_cohort

SEED, SEED_UNLABELLED = 0, 1
#: make_head_ct_cohort's own, and the one for ways to treat missing values.
MISSING, MISSING_MORE = 0.15, 0.3


def cohort(plan: Plan, missing: float = MISSING) -> Any:
    """Patients with labels; with another `missing` the same ones and the same scans."""
    return _simulated(plan, plan.patients, SEED, missing)


def unlabelled_scans(plan: Plan) -> list[str]:
    """Scans of other patients, for pre-training; their labels are not looked at."""
    return _simulated(plan, plan.unlabelled, SEED_UNLABELLED, MISSING).frame["scan"].tolist()


def _simulated(plan: Plan, n_patients: int, seed: int, missing: float) -> Any:
    folder = plan.storage / f"cohort-{n_patients}-seed-{seed}-missing-{missing:g}"

    def make() -> Any:
        return make_head_ct_cohort(
            n_patients,
            folder / "scans",
            shape=(64, 64, 64),
            missing=missing,
            n_jobs=plan.jobs,
            random_state=seed,
        )

    return kept(folder / "cohort.pkl", make)
