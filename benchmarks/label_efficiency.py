"""Does pre-training help? AUC by number of labels, pre-trained against random weights.

    python -m benchmarks.label_efficiency [--cohort simulated|ct_ich] [--patients 400] [--seeds 3]

Three tenths of the patients are held out. The autoencoder, of `--size`, reads prepared heads in
patches of 8 voxels and is pre-trained on the scans of the others, without labels; then a part of
their labels is used for a logistic regression on its mirrored tokens, whose components come from
all scans that are not held out, and for training it further. "random" is the same network with the
weights that its pre-training began with, voxels scaled in the same way. Simulated patients are of
a seed that no setting was chosen on. ``ct_ich`` needs SKEDEMA_REAL_DATA (82 real exams,
haemorrhage).
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.pretraining_worth import untrained
from skedema import AttentionMixerClassifier, ViTAutoencoder, VolumeReader
from skedema.encoders import MirroredTokens

COHORT_SEED = 81
SHARES = (0.1, 0.25, 0.5, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohort", choices=("simulated", "ct_ich"), default="simulated")
    parser.add_argument("--patients", type=int, default=400, help="of the simulated cohort")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=30, help="of pre-training")
    parser.add_argument("--size", default="small")
    parser.add_argument("--fine-tune-epochs", type=int, default=10)
    parser.add_argument("--n-jobs", type=int, default=None, help="seeds at once")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scans, y = read(arguments, folder)
        parts = Parallel(n_jobs=arguments.n_jobs)(
            delayed(run)(scans, y, seed, arguments) for seed in range(arguments.seeds)
        )
    table = (
        pd.DataFrame([row for part in parts for row in part])
        .groupby(["labels", "how", "weights"])["auc"]
        .agg(["mean", "std"])
    )
    shown = (
        table["mean"].map("{:.3f}".format) + " +- " + table["std"].map("{:.3f}".format)
    ).unstack("weights")
    print(
        f"\n{arguments.cohort}: {len(y)} scans, {arguments.seeds} seeds, size {arguments.size}, "
        f"{arguments.epochs} epochs of pre-training; AUC on held-out patients, mean +- sd\n"
    )
    print(shown.to_string())


def read(arguments: argparse.Namespace, folder: str):
    if arguments.cohort == "simulated":
        from skedema.datasets import make_head_ct_cohort

        cohort = make_head_ct_cohort(arguments.patients, folder, random_state=COHORT_SEED, n_jobs=2)
        return cohort.frame["scan"].to_numpy(object), cohort.target.to_numpy()
    if "SKEDEMA_REAL_DATA" not in os.environ:
        sys.exit("Set SKEDEMA_REAL_DATA to the folder that holds ct_ich/cohort.csv.")
    home = Path(os.environ["SKEDEMA_REAL_DATA"]) / "ct_ich"
    table = pd.read_csv(home / "cohort.csv")
    paths = np.array([str(home / name) for name in table["scan"]], dtype=object)
    return paths, table["ich"].to_numpy()


def run(scans, y, seed: int, arguments: argparse.Namespace) -> list[dict[str, object]]:
    start = time.perf_counter()
    pool, test = train_test_split(np.arange(len(y)), test_size=0.3, stratify=y, random_state=seed)
    reader = VolumeReader(template="head")
    rows = []
    pretrained = ViTAutoencoder(
        size=arguments.size, patch=8, volume=reader, max_epochs=arguments.epochs, random_state=seed
    ).fit(list(scans[pool]))
    for weights, autoencoder in (("random", untrained(pretrained)), ("pre-trained", pretrained)):
        tokens = MirroredTokens(FrozenEstimator(autoencoder)).fit(list(scans[pool]))
        features = tokens.transform(list(scans))
        for share in SHARES:
            few = pool
            if share < 1:
                few, _ = train_test_split(
                    pool, train_size=share, stratify=y[pool], random_state=seed
                )
            probe = make_pipeline(
                StandardScaler(),
                LogisticRegression(max_iter=5000),  # a tenth of the labels is too few to tune on
            ).fit(features[few], y[few])
            tuned = AttentionMixerClassifier(
                image=0,
                encoder=FrozenEstimator(autoencoder),
                fine_tune=True,
                layer_decay=0.75,
                max_epochs=arguments.fine_tune_epochs,
                random_state=seed,
            ).fit(scans[few, None], y[few])
            for how, proba in (
                ("mirrored tokens", probe.predict_proba(features[test])),
                ("fine-tuned", tuned.predict_proba(scans[test, None])),
            ):
                auc = roc_auc_score(y[test], proba[:, 1])
                rows.append(
                    {"labels": f"{share:>4.0%}", "how": how, "weights": weights, "auc": auc}
                )
        print(
            f"seed {seed}, {weights}: {time.perf_counter() - start:.0f} s",
            file=sys.stderr,
            flush=True,
        )
    return rows


if __name__ == "__main__":
    main()
