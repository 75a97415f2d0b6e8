"""A worker killed at a random moment, and the process that started workers.

The same work runs in processes of loky and on Dask, beside scikit-learn's cross-validation on
joblib's own backends. What is lost are fits that were begun and had to be begun again.
"""

from __future__ import annotations

import logging
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import joblib
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from benchmarks.faults._kills import Log
from benchmarks.faults._rows import Row
from skedema.evaluation import evaluate

N, COLUMNS, FOLDS, SECONDS = 60, 50, StratifiedKFold(10, shuffle=True, random_state=0), 0.2
_FOLDER = "SKEDEMA_FAULTS_BUSY"
_GONE_AFTER = 5.0  # seconds that workers have to end after their parent


class Slow(ClassifierMixin, BaseEstimator):
    """Takes a moment, so that there is something to kill, and notes when it begins and where."""

    def fit(self, X, y):
        Log.finished()
        mark = Path(os.environ[_FOLDER], f"busy-{os.getpid()}")
        mark.touch()
        time.sleep(SECONDS)
        mark.unlink()
        self.classes_, self.mean_ = np.unique(y), float(X[:, 0].mean())
        return self

    def predict_proba(self, X):
        second = 1 / (1 + np.exp(self.mean_ - X[:, 0]))
        return np.stack([1 - second, second], axis=1)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def data() -> tuple[np.ndarray, np.ndarray]:
    X = np.random.default_rng(0).normal(size=(N, COLUMNS))
    return X, (X[:, 0] > 0).astype(int)


def of_skedema() -> Any:
    X, y = data()
    found = evaluate(
        {"slow": Slow()}, X, y, cv=FOLDS, n_jobs=2, trusted_columns=list(range(COLUMNS))
    )
    return found.predictions.drop(columns="fold").to_numpy().tolist()


def of_scikit_learn() -> Any:
    return cross_val_predict(Slow(), *data(), cv=FOLDS, method="predict_proba", n_jobs=2).tolist()


CALLS = {"skedema": of_skedema, "cross_val_predict": of_scikit_learn}


def rows(injections: int, folder: Path) -> list[Row]:
    # Before workers are started, which read the environment.
    Log.begin(folder)
    os.environ[_FOLDER] = str(folder)
    found = []
    for name, call in CALLS.items():
        killed = _killed_workers(call, injections, folder)
        found.append(Row("kill -9, a worker of loky", name, *killed))
    with _dask():
        for name, call in CALLS.items():
            killed = _killed_workers(call, injections, folder)
            found.append(Row("kill -9, a worker of Dask", name, *killed))
    for name in CALLS:
        found.append(_killed_parents(name, injections))
    return found


def _killed_workers(call: Callable[[], Any], injections: int, folder: Path) -> tuple[int, int, str]:
    """Count the injections, the calls that ended as the undisturbed one, and fits begun again."""
    draw = random.Random(0)
    expected, n_fits = joblib.hash(call()), FOLDS.get_n_splits()
    equal, lost = 0, []
    for _ in range(injections):
        before = Log.count(folder)
        after, part = before + draw.randrange(1, n_fits), draw.random() / 2
        ended = Event()
        killer = Thread(target=_kill_one, args=(folder, after, part * SECONDS, ended))
        killer.start()
        try:
            survived = joblib.hash(call()) == expected
        except Exception:
            survived = False
        ended.set()
        killer.join()
        for mark in folder.glob("busy-*"):
            mark.unlink(missing_ok=True)
        equal += survived
        lost.append(Log.count(folder) - before - (n_fits if survived else 0))
    of = "fits begun again" if equal else "fits, all that were begun"
    return injections, equal, f"{sum(lost)} {of}, at most {max(lost)} a time"


def _kill_one(folder: Path, after: int, seconds: float, ended: Event) -> None:
    """Kill a worker that is at work, when so many fits were begun and some time passed."""
    while Log.count(folder) < after and not ended.is_set():
        time.sleep(0.001)
    time.sleep(seconds)
    here = folder / f"busy-{os.getpid()}"
    while not ended.is_set():
        if busy := sorted(set(folder.glob("busy-*")) - {here}):
            os.kill(int(busy[0].name.removeprefix("busy-")), signal.SIGKILL)
            return
        time.sleep(0.001)


def _killed_parents(name: str, injections: int) -> Row:
    left = 0
    for _ in range(injections):
        parent = subprocess.Popen([sys.executable, "-m", __name__, name], stderr=subprocess.DEVNULL)
        while len(workers := _of_loky(parent.pid)) < 2:
            time.sleep(0.05)
        time.sleep(random.random())
        parent.kill()
        parent.wait()
        deadline = time.monotonic() + _GONE_AFTER
        while any(map(_is_there, workers)) and time.monotonic() < deadline:
            time.sleep(0.05)
        for worker in filter(_is_there, workers):
            left += 1
            os.kill(worker, signal.SIGKILL)
    survived = injections if left == 0 else 0
    lives = f"{left} of {2 * injections} workers after {_GONE_AFTER:.0f} s"
    return Row("kill -9, the parent of workers", name, injections, survived, "", lives)


def _of_loky(parent: int) -> list[int]:
    """List the workers that a process has started."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                is_child = (place / "stat").read_text().rsplit(")", 1)[1].split()[1] == str(parent)
                if is_child and b"popen_loky" in (place / "cmdline").read_bytes():
                    found.append(int(place.name))
            except OSError:
                continue  # it has ended
    return found


def _is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@contextmanager
def _dask() -> Iterator[None]:
    """Let a cluster of two workers do what joblib is asked to do."""
    import dask
    from distributed import Client, LocalCluster

    with (
        # A busy machine takes longer than 15 s to start a worker again.
        dask.config.set({"distributed.deploy.lost-worker-timeout": "5 minutes"}),
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        yield


if __name__ == "__main__":
    while True:
        CALLS[sys.argv[1]]()
