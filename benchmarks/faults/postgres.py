"""Workers of a study in PostgreSQL that are killed, beside plain Optuna with its heartbeats.

Of two workers, each as if on a machine of its own, one is killed after a random number of trials
and another begun for it. A study survives where its trials are then the ones that one undisturbed
worker runs: none lost, none twice, none too many, and none left running. Optuna is given a
heartbeat a second, `RetryHeartbeatStaleTrialCallback`, a seed (without one nothing can be drawn
again), and `MaxTrialsCallback`. At the end each study is opened once more, as the next to start
would.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.samplers import RandomSampler
from optuna.storages import RDBStorage
from optuna.study import MaxTrialsCallback
from optuna.trial import TrialState
from sklearn.base import BaseEstimator, ClassifierMixin

from benchmarks.faults._rows import Row
from skedema.search import StudySearchCV, _heartbeat, _workers, study_search
from tests._postgres import Server, postgres, programs

N_TRIALS = 12
SECONDS = 0.2  # a trial
SPACE = {"a": optuna.distributions.FloatDistribution(0, 1)}
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


class Slow(ClassifierMixin, BaseEstimator):
    """Takes a moment; scores by its parameter."""

    def __init__(self, a: float = 0.0):
        self.a = a

    def fit(self, X: Any, y: Any) -> Slow:
        time.sleep(SECONDS / 2)
        self.classes_ = np.unique(y)
        return self

    def score(self, X: Any, y: Any) -> float:
        return -abs(self.a - 0.3)


def of_skedema(url: str | None, machine: int) -> optuna.Study:
    _workers._machine = lambda: {"host": f"machine {machine}"}
    _heartbeat.INTERVAL, study_search._PAUSE = 0.25, 0.1
    search = StudySearchCV(
        Slow(), SPACE, n_trials=N_TRIALS, cv=2, refit=False, random_state=0, storage=url,
        sampler=RandomSampler(seed=0), pruner=optuna.pruners.NopPruner(),
    )  # fmt: skip
    return search.fit(np.zeros((8, 1)), np.tile([0, 1], 4)).study_


def of_optuna(url: str | None, machine: int) -> optuna.Study:
    storage = url and RDBStorage(
        url,
        heartbeat_interval=1,
        grace_period=2,
        heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(),
    )
    study = optuna.create_study(
        storage=storage, study_name="plain", direction="maximize", load_if_exists=True,
        sampler=RandomSampler(seed=0),
    )  # fmt: skip

    def objective(trial: optuna.Trial) -> float:
        a = trial.suggest_float("a", 0, 1)
        time.sleep(SECONDS)
        return -abs(a - 0.3)

    if sum(trial.state in FINISHED for trial in study.trials) < N_TRIALS:
        study.optimize(objective, callbacks=[MaxTrialsCallback(N_TRIALS, states=FINISHED)])
    return study


def worker(call: Callable[[str | None, int], Any], url: str, machine: int) -> int:
    child = os.fork()
    if not child:
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            call(url, machine)
        except BaseException:
            os._exit(1)
        os._exit(0)
    return child


def drawn(study: optuna.Study) -> list[str]:
    return sorted(json.dumps(trial.params) for trial in study.trials if trial.state in FINISHED)


def disturbed(
    call: Callable[[str | None, int], optuna.Study], url: str, draw: random.Random
) -> optuna.Study | None:
    """Kill one of two workers once trials are finished; None where it had ended."""
    storage = RDBStorage(url)  # makes the tables: two plain workers that make them fail
    workers = [worker(call, url, machine) for machine in range(2)]
    until, finished = draw.randrange(1, N_TRIALS // 2), 0
    while finished < until:
        time.sleep(0.02)
        finished = sum(
            trial.state in FINISHED
            for study in storage.get_all_studies()
            for trial in storage.get_all_trials(study._study_id)
        )
    time.sleep(draw.uniform(0, SECONDS))
    os.kill(workers[0], signal.SIGKILL)
    was_killed = os.WIFSIGNALED(os.waitpid(workers[0], 0)[1])
    workers[0] = worker(call, url, 2)
    for each in workers:
        os.waitpid(each, 0)
    return call(url, 3) if was_killed else None


def row(
    server: Server, call: Callable[[str | None, int], optuna.Study], of: str, injections: int
) -> Row:
    expected, draw = drawn(call(None, 0)), random.Random(0)
    survived = lost = more = twice = running = done = 0
    while done < injections:
        study = disturbed(call, server.url("postgresql+psycopg"), draw)
        if study is None:
            continue
        done += 1
        found = drawn(study)
        left = sum(trial.state is TrialState.RUNNING for trial in study.trials)
        lost += max(N_TRIALS - len(found), 0)
        more += max(len(found) - N_TRIALS, 0)
        twice += len(found) - len(set(found))
        running += left
        survived += found == expected and not left
    told = f"{lost} trials missing, {more} too many, {twice} drawn twice"
    return Row(
        "kill -9 of a worker, PostgreSQL", of, injections, survived, told, f"{running} running"
    )


def rows(injections: int, folder: Path) -> list[Row]:
    if programs() is None or find_spec("psycopg") is None:
        print("postgres: left out, no PostgreSQL or no psycopg", file=sys.stderr)
        return []
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with postgres() as server:
        one = partial(row, server, injections=injections)
        return [one(of_skedema, "skedema"), one(of_optuna, "Optuna, heartbeats and retry")]
