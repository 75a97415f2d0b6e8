"""The main paths of the package, one after the other, on a small cohort; argument: a folder."""

import sys
from pathlib import Path

import numpy as np
from optuna.distributions import FloatDistribution

import skedema
from skedema import AttentionMixerClassifier, ViTAutoencoder, VolumeReader
from skedema.cli import main
from skedema.datasets import make_head_ct_cohort
from skedema.evaluation import evaluate
from skedema.inspection import explain
from skedema.scans import check
from skedema.search import StudySearchCV


def run(folder):
    made = make_head_ct_cohort(
        20, folder / "scans", shape=[16] * 3, spacing=[13] * 3, random_state=0
    )
    X, y = made.frame[["scan", "age", "gcs"]], np.asarray(made.target)
    reader = VolumeReader(spacing=26, shape=8)
    clf = AttentionMixerClassifier(
        image="scan", encoder="cnn", volume=reader, max_epochs=1, n_members=1, random_state=0
    )
    check(X["scan"], n_jobs=2)
    clf.fit(X, y).predict_proba(X)
    explain(clf, X.iloc[0])
    evaluate({"m": clf}, X, y, cv=2).report(folder / "report.html")
    StudySearchCV(clf, {"lr": FloatDistribution(1e-3, 1e-2)}, n_trials=2, cv=2, random_state=0).fit(
        X, y
    )
    autoencoder = ViTAutoencoder(
        size="tiny", patch=4, volume=reader, max_epochs=1, checkpoint_dir=folder / "checkpoints"
    )
    autoencoder.fit(X["scan"]).transform(X["scan"])
    skedema.save(clf, folder / "model.skedema")
    skedema.load(folder / "model.skedema").predict(X)
    return made


def shell(folder, made):
    table = made.frame[["scan", "age", "gcs"]].assign(edema=np.asarray(made.target))
    table.to_csv(folder / "cohort.csv")
    small = [
        *("--set", "encoder=cnn", "--set", "volume__shape=8", "--set", "volume__spacing=26"),
        *("--set", "max_epochs=1", "--set", "n_members=1", "-q"),
    ]
    cohort = [str(folder / "cohort.csv"), "--image", "scan", "--id", "patient"]
    model = str(folder / "command.skedema")
    for command in (
        ["fit", *cohort, "--target", "edema", *small, "-o", model],
        ["predict", model, cohort[0], "-q", "-o", str(folder / "predicted.csv")],
        ["evaluate", *cohort, "--target", "edema", *small, "--cv", "2"],
    ):
        try:
            main(command)
        except SystemExit as end:
            if end.code:
                raise RuntimeError(command) from end


if __name__ == "__main__":
    here = Path(sys.argv[1])
    shell(here, run(here))
