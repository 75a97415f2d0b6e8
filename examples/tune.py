"""Tune the head of the model on features of a frozen encoder, and test it on patients left out.

``python examples/tune.py`` takes about a minute on two cores. With ``--folder FOLDER`` the scans
and the trials are kept there, and a search that was interrupted goes on when it is run again.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from optuna.distributions import IntDistribution
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, train_test_split

from skedema import AttentionMixerClassifier, ViTAutoencoder, VolumeReader
from skedema.datasets import make_head_ct_cohort
from skedema.search import StudySearchCV, head_space


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-trials", type=int, default=15)
    parser.add_argument("--folder", type=Path, help="where scans and trials are kept")
    options = parser.parse_args()
    if options.folder is not None:
        tune(options.n_trials, options.folder)
        return
    with tempfile.TemporaryDirectory() as folder:
        tune(options.n_trials, Path(folder))


def tune(n_trials: int, folder: Path) -> None:
    say("Simulating 100 patients with a head CT scan each ...")
    cohort = make_head_ct_cohort(100, folder / "scans", random_state=0, n_jobs=2)
    X, X_test, y, y_test = train_test_split(
        cohort.frame, cohort.target, test_size=0.3, stratify=cohort.target, random_state=0
    )

    say("Pre-training the encoder, without labels and without the test patients ...")
    autoencoder = ViTAutoencoder(
        size="tiny",
        volume=VolumeReader(shape=16, spacing=13.0, windows=[(40, 30)]),
        max_epochs=10,
        random_state=0,
    )
    autoencoder.fit(X["scan"].dropna())

    # Frozen: every scan is encoded once, however many folds and trials there are.
    clf = AttentionMixerClassifier(
        image="scan", encoder=FrozenEstimator(autoencoder), random_state=0
    )
    search = StudySearchCV(
        clf,
        head_space() | {"max_epochs": IntDistribution(10, 60, log=True)},
        n_trials=n_trials,
        scoring="roc_auc",
        cv=StratifiedKFold(3, shuffle=True, random_state=0),
        storage=folder / "tuning.journal",
        random_state=0,
        verbose=1,
    )
    search.fit(X, y)

    states = search.trials_["state"].value_counts()
    print(f"{states.get('complete', 0)} trials completed, {states.get('pruned', 0)} given up early")
    for name, value in search.best_params_.items():
        print(f"  {name:13} {value:.3g}" if isinstance(value, float) else f"  {name:13} {value}")
    default = clf.fit(X, y)
    print(f"AUC in cross-validation, best of all: {search.best_score_:.3f} (optimistic)")
    for title, model in (("tuned", search), ("default parameters", default)):
        auc = roc_auc_score(y_test, model.predict_proba(X_test)[:, 1])
        print(f"AUC on {len(y_test)} patients left out, {title}: {auc:.3f}")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
