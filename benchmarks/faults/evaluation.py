"""`evaluate` killed between and within folds, beside `cross_validate` and `joblib.Memory`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from benchmarks.faults._kills import Log, Work, kill_at_random
from benchmarks.faults._rows import Row
from skedema.evaluation import evaluate

N, FOLDS = 40, StratifiedKFold(5, shuffle=True, random_state=0)


class Slow(ClassifierMixin, BaseEstimator):
    """Takes a moment, so that there is something to kill, and notes each fit."""

    def __init__(self, shift=0.0):
        self.shift = shift

    def fit(self, X, y):
        time.sleep(0.02)
        self.classes_, self.mean_ = np.unique(y), float(X[:, 0].mean()) + self.shift
        Log.finished()
        return self

    def predict_proba(self, X):
        second = 1 / (1 + np.exp(self.mean_ - X[:, 0]))
        return np.stack([1 - second, second], axis=1)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


MODELS = {"one": Slow(), "two": Slow(0.5)}


def data() -> tuple[np.ndarray, np.ndarray]:
    X = np.random.default_rng(0).normal(size=(N, 2))
    return X, (X[:, 0] > 0).astype(int)


def of_skedema(folder: Path, n_jobs: int = 1) -> Any:
    Log.begin(folder)
    X, y = data()
    found = evaluate(
        MODELS, X, y, cv=FOLDS, storage=folder / "kept", random_state=0, n_jobs=n_jobs,
        trusted_columns=[0, 1],
    )  # fmt: skip
    return found.predictions.to_numpy().tolist()


def of_scikit_learn(folder: Path, n_jobs: int = 1) -> Any:
    Log.begin(folder)
    X, y = data()
    return [
        cross_val_predict(model, X, y, cv=FOLDS, method="predict_proba", n_jobs=n_jobs)
        for model in MODELS.values()
    ]


def fitted_on(model: Any, X: np.ndarray, y: np.ndarray, train: Any, test: Any) -> np.ndarray:
    return clone(model).fit(X[train], y[train]).predict_proba(X[test])


def of_joblib_memory(folder: Path, n_jobs: int = 1) -> Any:
    Log.begin(folder)
    X, y = data()
    kept = joblib.Memory(folder / "kept", verbose=0).cache(fitted_on)
    return joblib.Parallel(n_jobs=n_jobs)(
        joblib.delayed(kept)(model, X, y, *split)
        for model in MODELS.values()
        for split in FOLDS.split(X, y)
    )


def rows(injections: int, folder: Path) -> Iterator[Row]:
    competitors = {
        "skedema": of_skedema,
        "cross_val_predict": of_scikit_learn,
        "joblib.Memory": of_joblib_memory,
    }
    for name, call in competitors.items():
        call(folder / "warm")
        for n_jobs in (1, 2) if call is of_skedema else (1,):
            work = Work(partial(call, n_jobs=n_jobs), Log.count)
            tally = kill_at_random(work, injections, folder / f"{name}-{n_jobs}")
            yield tally.row(f"kill -9, evaluation, n_jobs={n_jobs}", name, "fits")
