"""Searches killed between and within trials: journal and SQLite, random and TPE, beside Optuna."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.samplers import RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from sklearn.base import BaseEstimator, ClassifierMixin

from benchmarks.faults._kills import Log, Work, kill_at_random
from benchmarks.faults._rows import Row
from skedema.search import CrossValidatedObjective, StudySearchCV

N_TRIALS, N_FOLDS = 12, 3
SPACE = {"a": FloatDistribution(0, 1), "b": IntDistribution(1, 9)}
SAMPLERS = {"random": RandomSampler, "TPE": partial(TPESampler, n_startup_trials=4)}
X, Y = np.arange(20.0)[:, None], np.tile([0, 1], 10)
ENDED = (TrialState.COMPLETE, TrialState.PRUNED)


class Slow(ClassifierMixin, BaseEstimator):
    """Scores by its parameters, after a moment in which it can be killed; notes each fit."""

    def __init__(self, a=0.0, b=1):
        self.a = a
        self.b = b

    def fit(self, X, y):
        time.sleep(0.01)
        self.classes_ = np.unique(y)
        Log.finished()
        return self

    def score(self, X, y):
        return -abs(self.a - 0.3) + 0.01 * self.b + 0.001 * X[:, 0].mean()


def url_in(folder: Path, storage: str) -> str:
    path = folder / f"study.{storage}"
    return str(path) if storage == "journal" else f"sqlite:///{path}"


def told(study: optuna.Study) -> Any:
    """Give what is compared: what was drawn, how it ended and scored, and the best."""
    trials = [trial for trial in study.trials if trial.state in ENDED]
    drawn = [(t.params, t.state.name, list(t.intermediate_values.items())) for t in trials]
    return drawn, study.best_params, study.best_value


def of_skedema(folder: Path, storage: str, sampler: str) -> Any:
    Log.begin(folder)
    search = StudySearchCV(
        Slow(), SPACE, n_trials=N_TRIALS, cv=N_FOLDS, sampler=SAMPLERS[sampler](seed=0),
        storage=url_in(folder, storage), refit=False, random_state=0,
    )  # fmt: skip
    return told(search.fit(X, Y).study_)


def of_optuna(folder: Path, storage: str, sampler: str) -> Any:
    """Search as Optuna's guide goes on with a study: the trials that are missing."""
    Log.begin(folder)
    url: Any = url_in(folder, storage)
    if storage == "journal":
        url = JournalStorage(JournalFileBackend(url))
    study = optuna.create_study(
        storage=url, study_name="study", direction="maximize", load_if_exists=True,
        sampler=SAMPLERS[sampler](seed=0),
    )  # fmt: skip
    study.pruner = optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=1)
    missing = N_TRIALS - len(study.get_trials(states=ENDED))
    study.optimize(CrossValidatedObjective(Slow(), X, Y, SPACE, cv=N_FOLDS), n_trials=missing)
    return told(study)


def running(folder: Path, storage: str) -> int:
    """Tell how many trials are said to be running."""
    url: Any = url_in(folder, storage)
    if storage == "journal":
        url = JournalStorage(JournalFileBackend(url))
    (name,) = optuna.get_all_study_names(url)
    trials = optuna.load_study(study_name=name, storage=url).trials
    return sum(trial.state is TrialState.RUNNING for trial in trials)


def rows(injections: int, folder: Path) -> Iterator[Row]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for name, call in {"skedema": of_skedema, "Optuna": of_optuna}.items():
        for storage in ("journal", "sqlite"):
            call(folder / f"warm-{name}-{storage}", storage, "TPE")
            for sampler in SAMPLERS:
                work = Work(
                    partial(call, storage=storage, sampler=sampler), Log.count,
                    left=partial(running, storage=storage),
                )  # fmt: skip
                where = folder / f"{name}-{storage}-{sampler}"
                tally = kill_at_random(work, injections, where)
                fault = f"kill -9, search, {sampler}, {storage}"
                yield tally.row(fault, name, "fits", "trials running")
