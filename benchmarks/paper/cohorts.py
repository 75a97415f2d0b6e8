"""The simulated patients of each cohort."""

from typing import Any

from benchmarks.paper.plan import Plan, kept
from skedema.datasets import make_head_ct_cohort

#: On which nothing was tuned or chosen.
SEEDS, SEEDS_QUICK = (71, 72, 73), (71, 72)
#: make_head_ct_cohort's own, and the one for ways to treat missing values.
MISSING, MISSING_MORE = 0.15, 0.3


def cohort(plan: Plan, seed: int, *, missing: float = MISSING, interaction: float = 0.0) -> Any:
    """Give one cohort; with other values of the last two the same patients have the same scans."""
    name = f"{plan.patients}-seed-{seed}-missing-{missing:g}-interaction-{interaction:g}"
    folder = plan.storage / "cohorts" / name

    def make() -> Any:
        return make_head_ct_cohort(
            plan.patients,
            folder / "scans",
            missing=missing,
            interaction=interaction,
            n_jobs=plan.jobs,
            random_state=seed,
        )

    return kept(folder / "cohort.pkl", make)
