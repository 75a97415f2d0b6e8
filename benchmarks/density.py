"""What the density of tissue alone tells: AUC of a logistic regression on `Density`.

    python -m benchmarks.density [--patients 400] [--seeds 21 22] [--real FOLDER] [--jobs 1]

Five folds, three seeds each, on simulated patients (edema) and, with `--real` or SKEDEMA_REAL_DATA,
on the 82 exams of CT-ICH (haemorrhage). Standardised, C = 0.1, nothing tuned: once on all numbers,
once on those of the whole brain (inner and next to the bone added up), mean and difference of the
sides, and once with ml as shares of the brain. Standard deviations are over seeds.
"""

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skedema.datasets import make_head_ct_cohort
from skedema.encoders import Density
from skedema.scans._remarks import gathered


def auc(X: np.ndarray, y: np.ndarray) -> str:
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=5000))
    found = []
    for seed in range(3):
        folds = StratifiedKFold(5, shuffle=True, random_state=seed)
        p = cross_val_predict(model, X, y, cv=folds, method="predict_proba")[:, 1]
        found.append(roc_auc_score(y, p))
    return f"{np.mean(found):.3f} +- {np.std(found, ddof=1):.3f}"


def report(name: str, scans: pd.Series, y: np.ndarray, jobs: int) -> None:
    density = Density(n_jobs=jobs).set_output(transform="pandas")
    with gathered() as told:
        table = density.fit_transform(scans.to_list())
    ml = table.filter(like="ml of tissue")
    inner, rim = (ml.filter(like=part).to_numpy() for part in ("inner", "next to the bone"))
    volume = ml.filter(like="mean of both").sum(axis=1).to_numpy()[:, None]
    rows = {
        "all": table.to_numpy(),
        "whole brain": inner + rim,
        "whole brain, shares": (inner + rim) / volume,
        "all, shares": table.to_numpy() / np.where(table.columns.str.startswith("ml"), volume, 1),
    }
    cells = [auc(X, y) for X in rows.values()]
    print(f"| {name} | {len(y)} | {' | '.join(cells)} | {len(told)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=400)
    parser.add_argument("--seeds", type=int, nargs="*", default=[21, 22])
    parser.add_argument("--real", default=os.environ.get("SKEDEMA_REAL_DATA"))
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    print("| cohort | n | all | whole brain | whole brain, shares | all, shares | told of |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as folder:
            cohort = make_head_ct_cohort(options.patients, folder, random_state=seed)
            scans, y = cohort.frame["scan"], np.asarray(cohort.target)
            report(f"simulated, seed {seed}", scans, y, options.jobs)
    if options.real:
        folder = Path(options.real) / "ct_ich"
        cohort = pd.read_csv(folder / "cohort.csv")
        scans = cohort["scan"].map(lambda name: str(folder / name))
        report("CT-ICH, haemorrhage", scans, cohort["ich"].to_numpy(), options.jobs)


if __name__ == "__main__":
    main()
