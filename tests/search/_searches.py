"""Searches in processes that are killed, or share a storage: ``_searches.py FUNCTION JSON``."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import traceback

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import RandomSampler, TPESampler
from optuna.storages import JournalStorage, RDBStorage
from sklearn.base import BaseEstimator, ClassifierMixin

from skedema.search import StudySearchCV, _heartbeat, _workers, study_search

WRITES = (
    "create_new_study",
    "set_study_user_attr",
    "create_new_trial",
    "set_trial_param",
    "set_trial_user_attr",
    "set_trial_intermediate_value",
    "set_trial_state_values",
)


class Quick(ClassifierMixin, BaseEstimator):
    """Scores by its parameters and the number of samples alone."""

    def __init__(self, a=0.0, b=1, c="x", seconds=0.0):
        self.a = a
        self.b = b
        self.c = c
        self.seconds = seconds

    def fit(self, X, y):
        time.sleep(self.seconds)
        self.classes_ = np.unique(y)
        return self

    def score(self, X, y):
        return -abs(self.a - 0.3) + 0.01 * self.b * (self.c == "x") + 0.001 * X[:, 0].mean()


SPACE = {
    "a": FloatDistribution(0, 1),
    "b": IntDistribution(1, 9),
    "c": CategoricalDistribution(["x", "y"]),
}
SAMPLERS = {
    "default": lambda: None,
    "random": lambda: RandomSampler(seed=5),
    "tpe": lambda: TPESampler(seed=5, n_startup_trials=4),
}


def search(storage, sampler, n_trials, seconds=0.0):
    X = np.arange(20.0)[:, None]
    found = StudySearchCV(
        Quick(seconds=seconds), SPACE, n_trials=n_trials, cv=3, refit=False, random_state=0,
        sampler=SAMPLERS[sampler](), storage=storage,
    ).fit(X, np.tile([0, 1], 10))  # fmt: skip
    kept = [t for t in found.study_.trials if t.state.name in ("COMPLETE", "PRUNED")]
    return {
        "drawn": [[t.params, t.state.name, t.user_attrs["fold_scores"]] for t in kept],
        "states": [t.state.name for t in found.study_.trials],
        "best": found.best_params_,
    }


def count_writes(kill_at):
    """Kill this process at one of its writes to the storage; gives the list of those done."""
    done = []

    def counted(write):
        def counting(*args, **kwargs):
            done.append(write.__name__)
            if len(done) == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return write(*args, **kwargs)

        return counting

    for kind in (JournalStorage, RDBStorage):
        for name in WRITES:
            setattr(kind, name, counted(getattr(kind, name)))
    return done


def begun(path, call):
    """Call a function in a fork of this process, which leaves what it gives in a file."""
    child = os.fork()
    if not child:
        try:
            with open(path, "w") as file:
                json.dump(call(), file)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return child, path


def ended(child, path):
    """Wait for a fork; gives what its function gave, None where it was killed."""
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return None
    assert status == 0, "a search failed"
    with open(path) as file:
        return json.load(file)


def apart(path, call):
    return ended(*begun(path, call))


def hasten_sqlite():
    """Import what SQLite takes before processes fork, and never wait for the disk.

    Imports and the disk are two thirds of the time of a small search. The disk only matters where
    a machine is switched off: what a killed process has written is with the system already.
    """
    from sqlalchemy import Engine, event

    RDBStorage("sqlite://")  # in memory, in this process only

    @event.listens_for(Engine, "connect")
    def _(connection, _):
        connection.execute("PRAGMA synchronous=OFF")


def killed(folder, storage, sampler, n_trials, points):
    """Kill a search at some of its writes, go on, and compare with one that was not killed."""

    def whole():
        done = count_writes(0)
        return search(where("whole"), sampler, n_trials), len(done)

    def where(name):
        path = f"{folder}/{name}"
        return f"sqlite:///{path}.db" if storage == "sqlite" else f"{path}.journal"

    expected, n_writes = apart(f"{folder}/out", whole)
    for k in np.unique(np.linspace(1, n_writes, points).astype(int)).tolist():

        def interrupted(k=k):
            count_writes(k)
            search(where(k), sampler, n_trials)

        assert apart(f"{folder}/out", interrupted) is None, f"not killed at write {k}"
        found = apart(f"{folder}/out", lambda k=k: search(where(k), sampler, n_trials))
        assert found["drawn"] == expected["drawn"], f"other trials after a kill at write {k}"
        assert found["best"] == expected["best"]
        assert "RUNNING" not in found["states"], f"left running after a kill at write {k}"


def together(folder, n_workers, **task):
    """Run one search in several processes at the same time."""
    workers = [begun(f"{folder}/out{k}", lambda: search(**task)) for k in range(n_workers)]
    return [ended(*worker) for worker in workers]


def killed_together(folder, storage, kills, n_trials, machines=False):
    """Run one search in two processes, kill one after the other, and begin another for it.

    With `machines` each is as if on a machine of its own, where the other cannot look. Gives what
    the two that are not killed find, and one alone.
    """
    draw = random.Random(0)

    def worker(number):
        if machines:
            _workers._machine = lambda: {"host": f"machine {number}"}
        return search(storage, "random", n_trials, seconds=0.03)

    _heartbeat.INTERVAL, study_search._PAUSE = 0.2, 0.1
    workers = [begun(f"{folder}/out{k}", lambda k=k: worker(k)) for k in range(2)]
    for k in range(2, 2 + kills):
        time.sleep(draw.uniform(0.3, 0.6))
        victim = workers.pop(0)
        os.kill(victim[0], signal.SIGKILL)
        assert ended(*victim) is None, "the search ended before the kill"
        workers.append(begun(f"{folder}/out{k}", lambda k=k: worker(k)))
    alone = apart(f"{folder}/out", lambda: search(None, "random", n_trials))
    return [*(ended(*worker) for worker in workers), alone]


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    task = json.loads(sys.argv[2])
    if str(task["storage"]).startswith("sqlite"):
        hasten_sqlite()
    if str(task["storage"]).startswith("postgres"):
        import psycopg  # noqa: F401

        RDBStorage("sqlite://")  # imports what takes long before processes fork
    found = {
        "search": search,
        "killed": killed,
        "together": together,
        "killed_together": killed_together,
    }[sys.argv[1]](**task)
    print(json.dumps(found))
