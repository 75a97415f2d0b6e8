"""Kill work that is kept on disk at random moments, do it again, and tell how it ended, as JSON.

``_killed_work.py FOLDER KIND``. Every run is forked from this process, which is warm and has no
threads, so that a kill takes milliseconds.
"""

from __future__ import annotations

import json
import os
import pickle
import random
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from skedema import AttentionMixerClassifier, VolumeReader
from skedema._features import features
from skedema._training.fitted import fitted
from skedema.baselines import ScanFeatures
from skedema.scans.cache import volumes

torch.set_num_threads(1)
N_KILLS, N_SCANS = 6, 24  # benchmarks.faults kills more often
READER = VolumeReader(shape=16, spacing=None)


def cohort(root: Path) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    paths = [root / f"{number}.npy" for number in range(N_SCANS)]
    for path in paths:
        if not path.exists():
            np.save(path, rng.normal(30, 9, (24, 24, 24)).astype("f4"))
    X = pd.DataFrame({"scan": [str(path) for path in paths], "age": np.arange(N_SCANS) % 7 + 0.5})
    return X, np.arange(N_SCANS) % 2


def extraction(root: Path, folder: Path) -> object:
    X, y = cohort(root)
    made = ScanFeatures(image="scan", encoder="cnn", volume=READER, memory=folder, random_state=0)
    return made.fit_transform(X[["scan"]], y)


def classification(root: Path, folder: Path) -> object:
    X, y = cohort(root)
    model = AttentionMixerClassifier(
        image="scan", encoder="cnn", fine_tune=False, volume=READER, memory=folder, max_epochs=3
    )
    return model.set_params(random_state=0, warn_unusual=False).fit(X, y).predict_proba(X)


KINDS = {each.__name__: each for each in (extraction, classification)}


def start(work, root: Path, folder: Path, result: Path) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        for cache in (volumes, features, fitted):
            cache.clear()
        result.write_bytes(pickle.dumps(work(root, folder)))
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def finish(work, root: Path, folder: Path, result: Path) -> object:
    _, status = os.waitpid(start(work, root, folder, result), 0)
    assert status == 0
    return pickle.loads(result.read_bytes())


def entries(folder: Path) -> dict[str, int]:
    # Killed between what is about a scan and its volume, both are made again.
    found = (path for path in folder.rglob("*.array") if path.parent.name != "about")
    return {str(path): path.stat().st_mtime_ns for path in found}


def main(root: Path, kind: str) -> None:
    work = KINDS[kind]
    cohort(root)
    expected = work(root, root / "warm")
    begin = time.perf_counter()
    again = finish(work, root, root / "whole", root / "result")
    duration = time.perf_counter() - begin
    log = {"whole": np.array_equal(again, expected), "equal": [], "kept": [], "lost": 0}
    rng = random.Random(0)
    for number in range(5 * N_KILLS):
        folder = root / f"run-{number}"
        pid = start(work, root, folder, root / "never")
        time.sleep(rng.random() * duration)
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        if os.WIFSIGNALED(status):
            before = entries(folder)
            found = finish(work, root, folder, root / "result")
            log["equal"].append(bool(np.array_equal(found, expected)))
            log["kept"].append(len(before))
            after = entries(folder)
            log["lost"] += sum(after.get(path) != at for path, at in before.items())
        shutil.rmtree(folder, ignore_errors=True)
        if len(log["equal"]) == N_KILLS:
            break
    print(json.dumps(log))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
