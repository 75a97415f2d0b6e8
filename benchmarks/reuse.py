"""What scikit-learn's tools cost around a model with scans: skedema and plain skorch.

    python -m benchmarks.reuse [--patients 100] [--epochs 5] [--trials 30] [--quick]

Simulated patients (seed 0): a scan, read to 64 cubed voxels of 3.375 mm, and 20 clinical variables,
the cohort's own and columns of noise, a tenth of it missing. The encoder is a `ViTAutoencoder` of
size tiny, pre-trained for one epoch on all scans and frozen. Three tasks:

cross_validate          5 folds, 4 scorers
permutation_importance  10 repeats of all 21 columns, the scan's among them, on a model that was
                        fitted in another process; that fit is not in the figures
search                  RandomizedSearchCV over parameters of the head: 30 settings, 5 folds, refit

All have the same network, initial weights, order of patients, optimiser and precision (float32),
and each has one thread and, but for "warm", a process of its own that has imported everything and
knows nothing of the scans. Seconds run from the files to the result, what is read or encoded
beforehand included.

plain skorch            NeuralNetClassifier over a Dataset that reads a scan when asked for it
  volumes in memory     the same; every scan is read once and its volume held
  features by hand      the same without the encoder; features are computed once and held
skedema, cold           AttentionMixerClassifier(encoder=FrozenEstimator(...))
skedema, warm           the same again in that process
skedema, memory=        a new process, `memory` being a folder that an earlier one has filled

Standardising the features by the training patients, as the network does, costs plain skorch one
pass over the scans a fit beside those of its epochs. Reads are calls of `VolumeReader.read`; passes
are volumes that went through the encoder. A clinic's scans take far longer to read than these, so
reading weighs less here than there.

Scores, importances and probabilities of all must agree to 1e-6; if not, it ends with an error.
Float32 is enough for that: at these sizes and on one thread features do not depend on the batch
they are computed in to any bit, and what is left is the rounding of skorch's float32 softmax.
"""

import argparse
import multiprocessing
import os
import pickle
import sys
import tempfile
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.reading import ONE_THREAD

SEED, N_VARIABLES, N_FOLDS, BATCH, TOLERANCE = 0, 20, 5, 16, 1e-6
SCORERS = ("accuracy", "precision", "f1", "roc_auc")
ROWS = {
    "plain": "plain skorch",
    "volumes": "plain skorch, volumes in memory",
    "features": "plain skorch, features by hand",
    "cold": "skedema, cold",
    "warm": "skedema, warm",
    "disk": "skedema, memory=",
}
# What the work would import when it is first needed.
IMPORTS = (
    "benchmarks._plain_skorch",
    "narwhals._pandas_like.series_str",
    "nibabel",
    "scipy.ndimage",
    "scipy.stats",
    "skedema.autoencoder",
    "skedema.classifier",
    "skedema.datasets",
    "skedema.encoders.monai",
    "sklearn.frozen",
    "sklearn.inspection",
    "skorch._doctor",
    "torch._dynamo",
)


class Setup(NamedTuple):
    folder: Path
    patients: int
    side: int
    epochs: int
    trials: int
    repeats: int


class Row(NamedTuple):
    seconds: float
    reads: int
    passes: int
    numbers: dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=5, help="of every fit")
    parser.add_argument("--trials", type=int, default=30, help="of the search")
    parser.add_argument("--quick", action="store_true", help="a small run that shows it works")
    given = parser.parse_args()
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    with tempfile.TemporaryDirectory() as folder:
        setup = Setup(Path(folder), given.patients, 64, given.epochs, given.trials, 10)
        if given.quick:
            setup = Setup(Path(folder), 20, 32, 1, 3, 2)
        sys.exit(compare(setup))


def compare(setup: Setup) -> str | None:
    print(
        f"{setup.patients} scans of {setup.side} cubed, {N_VARIABLES} clinical variables, "
        f"{setup.epochs} epochs a fit, {setup.repeats} repeats, {setup.trials} trials, seed {SEED}"
    )
    print("{:.0f} s to make the scans, {:.0f} s to pre-train\n".format(*fresh(prepare, setup)))
    for who in ("cold", "plain", "features"):
        fresh(fit, setup, who)
    fresh(run, setup, "disk", "cross_validate")  # fills the folder
    print("| task | what | s | times as fast as plain | reads | passes |")
    print("| --- | --- | --- | --- | --- | --- |", flush=True)
    differences = {}
    for task in TASKS:
        rows: dict[str, Row] = {}
        for who in ("plain", "volumes", "features", "cold", "disk"):
            done = fresh(run, setup, who, task)
            for name, row in zip((who, "warm"), done, strict=False):  # cold goes on to warm
                rows[name] = row
                ratio = rows["plain"].seconds / row.seconds
                print(
                    f"| {task} | {ROWS[name]} | {row.seconds:.2f} | {ratio:.1f} | {row.reads} "
                    f"| {row.passes} |",
                    flush=True,
                )
        for what in rows["plain"].numbers:
            differences[f"{task}, {what}"] = furthest(rows, what)
    print(f"\nThe largest difference from {ROWS['plain']}:\n")
    for what, (difference, name) in differences.items():
        print(f"- {what}: {difference:.1e} ({ROWS[name]})")
    if all(difference <= TOLERANCE for difference, _ in differences.values()):
        return None
    return f"Results differ by more than {TOLERANCE:g}: this is no comparison."


def furthest(rows: dict[str, Row], what: str) -> tuple[float, str]:
    import numpy as np

    expected = rows["plain"].numbers[what]
    return max(
        (float(np.nan_to_num(abs(row.numbers[what] - expected), nan=np.inf).max()), name)
        for name, row in rows.items()
    )


def fresh(job: Any, *arguments: Any) -> Any:
    """Do a job in a process that has imported what it needs and holds nothing else."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(IMPORTS))
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(job, *arguments).result()


def prepare(setup: Setup) -> tuple[float, float]:
    import numpy as np

    from skedema import ViTAutoencoder, VolumeReader
    from skedema.datasets import make_head_ct_cohort

    start = time.perf_counter()
    cohort = make_head_ct_cohort(
        setup.patients,
        setup.folder / "scans",
        shape=(setup.side,) * 3,
        spacing=(208 / setup.side,) * 3,
        random_state=SEED,
    )
    made = time.perf_counter() - start
    X, rng = cohort.frame, np.random.default_rng(SEED)
    for k in range(N_VARIABLES - (X.shape[1] - 1)):
        noise = rng.standard_normal(len(X))
        X[f"noise_{k}"] = np.where(rng.random(len(X)) < 0.1, np.nan, noise)
    save((X, cohort.target), setup.folder / "cohort.pkl")
    reader = VolumeReader(shape=setup.side, spacing=216 / setup.side)
    start = time.perf_counter()
    autoencoder = ViTAutoencoder(size="tiny", volume=reader, max_epochs=1, random_state=SEED)
    autoencoder.fit(X["scan"])
    save(autoencoder, setup.folder / "autoencoder.pkl")
    return made, time.perf_counter() - start


def fit(setup: Setup, who: str) -> None:
    """Fit the model of the permutation importance."""
    X, y = load(setup.folder / "cohort.pkl")
    model = make_model(setup, who)
    look_ahead(setup, who, model, X)
    model.fit(X, y)
    if "load" in model.get_params(deep=False):
        model.set_params(load=None)
    save(model, setup.folder / f"fitted-{who}.pkl")


def run(setup: Setup, who: str, task: str) -> list[Row]:
    """Do a task; skedema, cold, does it once more when it is warm."""
    X, y = load(setup.folder / "cohort.pkl")
    work, tell = TASKS[task]
    if task == "permutation_importance":
        fitted = {"disk": "cold", "volumes": "plain"}.get(who, who)
        model = load(setup.folder / f"fitted-{fitted}.pkl")
    else:
        model = make_model(setup, who)
    if who == "disk":
        model.set_params(memory=str(setup.folder / "memory"))
    counted = count_calls()
    rows = []
    for _ in range(2 if who == "cold" else 1):
        counted.update(reads=0, passes=0)
        start = time.perf_counter()
        look_ahead(setup, who, model, X)
        done = work(model, X, y, setup)
        row = Row(time.perf_counter() - start, counted["reads"], counted["passes"], {})
        rows.append(row._replace(numbers=tell(done, model, X)))
    return rows


def make_model(setup: Setup, who: str) -> Any:
    from sklearn.frozen import FrozenEstimator

    from benchmarks._plain_skorch import PlainSkorchClassifier
    from skedema import AttentionMixerClassifier

    autoencoder = load(setup.folder / "autoencoder.pkl")
    options = {"max_epochs": setup.epochs, "batch_size": BATCH, "lr": 3e-3, "random_state": SEED}
    if who in ("cold", "disk"):
        return AttentionMixerClassifier(
            image="scan", encoder=FrozenEstimator(autoencoder), n_members=1, **options
        )
    width = len(autoencoder.get_feature_names_out())
    encoder = None if who == "features" else FrozenEstimator(autoencoder)
    return PlainSkorchClassifier(encoder=encoder, width=width, **options)


def look_ahead(setup: Setup, who: str, model: Any, X: Any) -> None:
    """Give a plain model what its dataset loads: from the file, or held in memory."""
    if who in ("cold", "disk"):
        return
    autoencoder = load(setup.folder / "autoencoder.pkl")
    reader, paths = autoencoder.volume_, X["scan"].tolist()
    if who == "plain":
        model.set_params(load=reader.read)
        return
    if who == "volumes":
        held = {path: reader.read(path) for path in paths}
    else:
        held = dict(zip(paths, autoencoder.transform(paths)[:, None], strict=True))
    model.set_params(load=held.__getitem__)  # clones share it


def count_calls() -> dict[str, int]:
    from skedema import VolumeReader
    from skedema.modules.masked_autoencoder import MaskedAutoencoder

    counted = {"reads": 0, "passes": 0}
    read, features = VolumeReader.read, MaskedAutoencoder.features

    def counting_read(self, scan):
        counted["reads"] += 1
        return read(self, scan)

    def counting_features(self, volumes, *arguments, **keywords):
        counted["passes"] += len(volumes)
        return features(self, volumes, *arguments, **keywords)

    VolumeReader.read, MaskedAutoencoder.features = counting_read, counting_features
    return counted


def folds():
    from sklearn.model_selection import StratifiedKFold

    return StratifiedKFold(N_FOLDS, shuffle=True, random_state=SEED)


def cross_validation(model, X, y, setup: Setup):
    from sklearn.exceptions import UndefinedMetricWarning
    from sklearn.model_selection import cross_validate

    with warnings.catch_warnings():
        # A few epochs may leave a fold without a positive prediction: its precision is 0 then.
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        return cross_validate(
            model,
            X,
            y,
            cv=folds(),
            scoring=SCORERS,
            error_score="raise",
            return_estimator=True,
            return_indices=True,
        )


def tell_cross_validation(done, _model, X) -> dict[str, Any]:
    import numpy as np

    pairs = zip(done["estimator"], done["indices"]["test"], strict=True)
    return {
        "scores": np.array([done[f"test_{name}"] for name in SCORERS]),
        "probabilities": np.concatenate([m.predict_proba(X.iloc[test]) for m, test in pairs]),
    }


def importance(model, X, y, setup: Setup):
    from sklearn.inspection import permutation_importance

    return permutation_importance(
        model, X, y, scoring="roc_auc", n_repeats=setup.repeats, random_state=SEED
    )


def tell_importance(done, model, X) -> dict[str, Any]:
    return {"importances": done.importances, "probabilities": model.predict_proba(X)}


def search(model, X, y, setup: Setup):
    from scipy.stats import loguniform
    from sklearn.model_selection import RandomizedSearchCV

    settings = {
        "lr": loguniform(3e-4, 1e-2),
        "weight_decay": loguniform(1e-3, 1.0),
        "depth": [1, 2],
        "dropout": [0.0, 0.1, 0.2],
    }
    # A score that is continuous in the probabilities shows whether those of all fits agree.
    return RandomizedSearchCV(
        model,
        settings,
        n_iter=setup.trials,
        scoring="neg_log_loss",
        cv=folds(),
        random_state=SEED,
        error_score="raise",
    ).fit(X, y)


def tell_search(done, _model, X) -> dict[str, Any]:
    import numpy as np

    names = [f"split{k}_test_score" for k in range(N_FOLDS)]
    return {
        "scores": np.array([done.cv_results_[name] for name in names]),
        "probabilities": done.predict_proba(X),
    }


TASKS = {
    "cross_validate": (cross_validation, tell_cross_validation),
    "permutation_importance": (importance, tell_importance),
    "search": (search, tell_search),
}


def save(value: Any, path: Path) -> None:
    path.write_bytes(pickle.dumps(value))


def load(path: Path) -> Any:
    return pickle.loads(path.read_bytes())


if __name__ == "__main__":
    main()
