"""Haemorrhage on 82 real head CT exams: fused, scan alone, table alone, logistic regression.

    SKEDEMA_REAL_DATA=folder python examples/ct_ich.py [--n-jobs 2]

The folder holds ``ct_ich/cohort.csv`` (columns scan, age, sex, ich) and the scans it names:
CT-ICH, Hssayeni et al., Data 2020, 5(1):14, CC BY 4.0, as NIfTI files. Age and sex alone predict
haemorrhage well in it, so a table-only baseline stands beside every figure.
"""

import argparse
import os
import sys
import warnings
from pathlib import Path

import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skedema import AttentionMixerClassifier, VolumeReader
from skedema.encoders import CNN

METRICS = ["accuracy", "precision", "f1", "roc_auc"]


def read_cohort(folder: Path) -> tuple[pd.DataFrame, pd.Series]:
    cohort = pd.read_csv(folder / "cohort.csv")
    cohort["scan"] = [str(folder / name) for name in cohort["scan"]]
    return cohort[["scan", "age", "sex"]], cohort["ich"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-jobs", type=int, default=None, help="folds at once")
    arguments = parser.parse_args()
    if "SKEDEMA_REAL_DATA" not in os.environ:
        sys.exit("Set SKEDEMA_REAL_DATA to the folder that holds ct_ich/cohort.csv.")
    X, y = read_cohort(Path(os.environ["SKEDEMA_REAL_DATA"]) / "ct_ich")

    model = AttentionMixerClassifier(
        image="scan",
        encoder=CNN(width=16, depth=2),
        volume=VolumeReader(spacing=13.0, shape=16, windows="brain"),
        random_state=0,
    )
    table = X.drop(columns="scan")
    logistic = make_pipeline(
        make_column_transformer((StandardScaler(), ["age"]), (OneHotEncoder(), ["sex"])),
        LogisticRegression(),
    )
    compared = {
        "fused": (model, X),
        "scan alone (HCT only)": (model, X[["scan"]]),
        "table alone": (AttentionMixerClassifier(random_state=0), table),
        "logistic regression on age, sex": (logistic, table),
    }
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    rows = {}
    for name, (estimator, columns) in compared.items():
        with warnings.catch_warnings():
            # A fold without a positive prediction has a precision of 0; that is the figure.
            warnings.filterwarnings("ignore", "Precision is ill-defined")
            scores = cross_validate(
                estimator, columns, y, cv=folds, scoring=METRICS, n_jobs=arguments.n_jobs
            )
        rows[name] = {
            metric: f"{scores[f'test_{metric}'].mean():.3f} +- "
            f"{scores[f'test_{metric}'].std(ddof=1):.3f}"
            for metric in METRICS
        }
        print(f"{name}: AUC {rows[name]['roc_auc']}", file=sys.stderr, flush=True)
    print(f"{len(y)} exams, {int(y.sum())} with haemorrhage; mean +- sd over 5 folds\n")
    print(pd.DataFrame(rows).T.to_string())


if __name__ == "__main__":
    main()
