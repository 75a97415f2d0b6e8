"""Kill runs at random moments, let them go on, and tell how they ended, as JSON on stdout.

Every run has a process of its own, forked from this one, which is warm and has no threads: a kill
takes milliseconds, not an import of torch.
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
import torch

from skedema import ViTAutoencoder, VolumeReader
from skedema._checkpoints import _read

torch.set_num_threads(1)
N_KILLS = 30
SCANS = [np.random.default_rng(k).normal(40, 12, (12, 12, 12)).astype("f4") for k in range(9)]


def make(folder: Path | None) -> ViTAutoencoder:
    return ViTAutoencoder(
        size="tiny",
        dim=16,
        depth=1,
        n_heads=2,
        decoder_dim=8,
        decoder_heads=2,
        patch=4,
        volume=VolumeReader(shape=12),
        max_epochs=4,
        batch_size=2,
        checkpoint_dir=folder,
        checkpoint_minutes=0,
        random_state=0,
    )


def start(folder: Path | None, result: Path) -> int:
    """Fit in a new process; gives its id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        estimator = make(folder).fit(SCANS)
        losses = estimator.history_[["total", "reconstruction", "edge", "contrast", "lr"]]
        weights = {k: v.numpy() for k, v in estimator.module_.state_dict().items()}
        result.write_bytes(pickle.dumps((weights, losses.to_numpy())))
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def finish(folder: Path | None, result: Path) -> object:
    _, status = os.waitpid(start(folder, result), 0)
    assert status == 0
    return pickle.loads(result.read_bytes())


def equal(one: object, other: object) -> bool:
    (weights, losses), (weights2, losses2) = one, other
    same = weights.keys() == weights2.keys()
    same &= all(np.array_equal(weights[k], weights2[k]) for k in weights)
    return bool(same and np.array_equal(losses, losses2))


def place(folder: Path) -> list[int] | None:
    """Tell epoch and batch of the newest checkpoint, without sweeping or checking anything."""
    for name in ("vit_autoencoder.ckpt", "vit_autoencoder.previous.ckpt"):
        for path in folder.rglob(name):
            state = _read(path)["state"]
            return [state["epoch"], state["batch"]]
    return None


def main(root: Path) -> None:
    make(root / "warm").fit(SCANS)
    undisturbed = finish(None, root / "undisturbed")
    begin = time.perf_counter()
    whole = finish(root / "whole", root / "result")
    duration = time.perf_counter() - begin
    rng = random.Random(int(sys.argv[2]))
    log = {"whole": equal(whole, undisturbed), "equal": [], "places": [], "strays": 0}
    for number in range(6 * N_KILLS):
        folder = root / f"run-{number}"
        pid = start(folder, root / "never")
        time.sleep(rng.random() * duration)
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        if not os.WIFSIGNALED(status):
            continue  # it was through
        log["places"].append(place(folder))
        log["strays"] += len(list(folder.rglob(".vit_autoencoder-*")))
        log["equal"].append(equal(finish(folder, root / "result"), undisturbed))
        left = sorted(path.name for path in folder.rglob("*") if path.is_file())
        assert left == ["vit_autoencoder.ckpt", "vit_autoencoder.previous.ckpt"], left
        shutil.rmtree(folder)
        if len(log["equal"]) == N_KILLS:
            break
    print(json.dumps(log))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
