"""How far is a number told by scan and table, by the table alone, and without either?

Simulated patients, of whom the truth about each scan is known: the severity of its finding, in
standard deviations, and the volume of the edema in mL, 0 where there is none. Five folds, the
default regressor with scans and without, boosting on the table, and the mean of all; nothing is
tuned. Every seed draws other patients, folds and weights. What the table can tell of either number
is what its variables depend on, so that it has no advantage that was arranged.
"""

from __future__ import annotations

import argparse
import tempfile
from typing import Any

import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from skedema import AttentionMixerRegressor
from skedema.datasets import make_head_ct_cohort
from skedema.evaluation import evaluate

TARGETS = ("severity", "volume")
BOTH, TABLE, BOOSTING, MEAN = "scan and table", "table alone", "boosting, table", "mean of all"
COLUMNS = ["seed", "target", "model", "MAE", "R2", "MAE more than with both"]


def models(seed: int, memory: str | None, **parameters: Any) -> dict[str, Any]:
    """Give what is compared, by name."""
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = make_column_transformer(
        (codes, make_column_selector(r"^(?!scan$)", dtype_exclude="number")),
        ("passthrough", make_column_selector(dtype_include="number")),
    )
    given = {"image": "scan", "random_state": seed} | parameters
    return {
        BOTH: AttentionMixerRegressor(memory=memory, **given),
        TABLE: AttentionMixerRegressor(**given | {"encoder": None}),
        BOOSTING: make_pipeline(columns, HistGradientBoostingRegressor(random_state=seed)),
        MEAN: DummyRegressor(),
    }


def report(cohort: Any, seed: int, memory: str | None, **parameters: Any) -> list[list[str]]:
    """Give a row a model, of either target."""
    rows = []
    for target in TARGETS:
        y = cohort.findings[target]
        named = models(seed, memory, **parameters)
        result = evaluate(named, cohort.frame, y, random_state=seed, return_estimator=False)
        table = result.summary(["mae", "r2"]).set_index(["estimator", "metric"])
        more = result.compare(BOTH, metric="mae").set_index("estimator")
        for name in named:
            figures = [_spread(table.loc[(name, metric)], "pooled") for metric in ("mae", "r2")]
            compared = "" if name == BOTH else _spread(more.loc[name], "difference")
            rows.append([str(seed), target, name, *figures, compared])
    return rows


def _spread(row: pd.Series, name: str) -> str:
    digits = 2 if abs(row[name]) < 10 else 1
    value, low, high = (f"{row[each]:.{digits}f}" for each in (name, "low", "high"))
    return f"{value} ({low} to {high})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=160)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}")
    for seed in range(options.seeds):
        with tempfile.TemporaryDirectory() as folder:
            cohort = make_head_ct_cohort(options.patients, folder, random_state=seed)
            for row in report(cohort, seed, f"{folder}/memory"):
                print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
