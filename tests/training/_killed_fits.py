"""Kill fits at random moments, let them go on, and tell how they ended, as JSON on stdout.

Every fit has a process of its own, forked from this one, which is warm and has no threads.
"""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import random
import signal
import sys
import time
import traceback
from pathlib import Path

import torch
from joblib import parallel_config
from sklearn.model_selection import cross_validate

import skedema._checkpoints

torch.set_num_threads(1)
skedema._checkpoints._FIRST, skedema._checkpoints._SHARE = 0.0, float("inf")

_spec = importlib.util.spec_from_file_location("fits", Path(__file__).with_name("_fits.py"))
fits = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fits)

KILLS = {"committee": 3, "fine-tuned": 2}


def start(kind: str, folder: Path, result: Path) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        clf = fits.fit(kind, checkpoint_dir=folder)
        result.write_bytes(pickle.dumps(fits.learned(clf, scans="image" in fits.KINDS[kind]())))
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def finish(kind: str, folder: Path, result: Path) -> object:
    _, status = os.waitpid(start(kind, folder, result), 0)
    assert status == 0
    return pickle.loads(result.read_bytes())


def place(folder: Path) -> list[int] | None:
    """Tell epoch and batch of the newest checkpoint, without sweeping or checking anything."""
    for name in ("classifier.ckpt", "classifier.previous.ckpt"):
        for path in folder.rglob(name):
            history = skedema._checkpoints._read(path)["state"]["history"]
            return [len(history), len(history[-1]["batches"])]
    return None


def scores(folder: Path | None, n_jobs: int) -> list[float]:
    """Cross-validate, in processes that share a folder."""
    X, y = fits.cohort()
    clf = fits.make("committee", max_epochs=1, checkpoint_dir=folder)
    with parallel_config(backend="multiprocessing"):
        found = cross_validate(clf, X, y, cv=2, scoring="neg_log_loss", n_jobs=n_jobs)
    return found["test_score"].tolist()


def main(root: Path) -> None:
    log = {"equal": [], "places": [], "left": []}
    made_before = [path.stat().st_mtime_ns for path in root.glob("before/*/*")]
    fits.fit("committee", checkpoint_dir=root / "before")
    log["found"] = made_before == [path.stat().st_mtime_ns for path in root.glob("before/*/*")]
    log["folds"] = scores(root / "folds", 2) == scores(None, 1)
    log["n_folds"] = len(list((root / "folds").iterdir()))
    for kind, n_kills in KILLS.items():
        whole = fits.learned(fits.fit(kind), scans="image" in fits.KINDS[kind]())
        begin = time.perf_counter()
        log["equal"].append(fits.same(finish(kind, root / kind, root / "result"), whole))
        duration = time.perf_counter() - begin
        rng, killed = random.Random(0), 0
        for number in range(5 * n_kills):
            folder = root / f"{kind}-{number}"
            pid = start(kind, folder, root / "never")
            time.sleep(rng.random() * duration)
            os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            if not os.WIFSIGNALED(status):
                continue  # it was through
            log["places"].append(place(folder))
            log["equal"].append(fits.same(finish(kind, folder, root / "result"), whole))
            log["left"] += [path.name for path in folder.rglob("*") if path.is_file()]
            killed += 1
            if killed == n_kills:
                break
    print(json.dumps(log))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
