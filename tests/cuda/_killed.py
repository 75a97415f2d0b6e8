"""Fits that are killed after so many steps, and what there is to compare of them.

python _killed.py KIND DEVICE FOLDER N_STEPS
"""

from __future__ import annotations

import os
import signal
import sys

import numpy as np
import pandas as pd
import torch

import skedema._checkpoints
from skedema import AttentionMixerClassifier, ViTAutoencoder, VolumeReader
from skedema._device import full_float32
from skedema._pretraining.loop import Training
from skedema._training.net import FusionNet
from skedema.encoders import CNN

READER = VolumeReader(spacing=8, shape=16)

#: By name, parameters of fits of several steps an epoch.
CLASSIFIERS = {
    "trained": {"encoder": CNN(width=4, depth=2), "fine_tune": True, "mirror": True},
    "fixed": {"encoder": CNN(width=4, depth=2), "fine_tune": False, "n_members": 2},
    "table": {"image": None, "early_stopping": True, "validation_fraction": 0.25},
}
AUTOENCODERS = {
    "float32": {},
    "bfloat16": {"dtype": "bfloat16"},
    "cross": {"decoder": "cross", "predicted_share": 0.4},
}
KINDS = (*CLASSIFIERS, *AUTOENCODERS)


def cohort() -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    y = np.arange(24) % 2
    cells = [rng.normal(40, 10, (16, 16, 16)) + 10 * label for label in y]
    X = pd.DataFrame({"scan": pd.Series(cells, dtype=object), "age": rng.normal(60, 9, len(y))})
    X.loc[[2, 5], "age"] = np.nan
    X.loc[[3, 10], "scan"] = None
    return X, y


def fit(kind: str, device: str, folder: str | None):
    X, y = cohort()
    common = {"device": device, "checkpoint_dir": folder, "random_state": 0, "batch_size": 8}
    with full_float32(torch.device("cuda")):
        if kind in AUTOENCODERS:
            sizes = {"size": "tiny", "patch": 4, "volume": READER, "max_epochs": 3, "check": 0}
            given = {"dtype": "float32", "checkpoint_minutes": 0} | AUTOENCODERS[kind]
            return ViTAutoencoder(**sizes, **given, **common).fit(list(X["scan"].dropna()))
        sizes = {"dim": 16, "n_heads": 2, "max_epochs": 3, "dropout": 0.2, "dtype": "float32"}
        given = {"image": "scan", "volume": READER} | CLASSIFIERS[kind]
        clf = AttentionMixerClassifier(**sizes, **given, **common)
        return clf.fit(X if clf.image else X.drop(columns="scan"), y)


def learned(model) -> list[np.ndarray]:
    if isinstance(model, ViTAutoencoder):
        return [v.numpy() for v in model.module_.state_dict().values()]
    weights = [v.cpu().numpy() for v in model.net_.module_.state_dict().values()]
    held_out = [] if model.held_out_ is None else [model.held_out_.proba]
    return [*weights, *held_out, model.history_.drop(columns="seconds").to_numpy()]


def before_each_step(call) -> dict[type, tuple[str, object]]:
    """Give the methods that take a step, with a call before; by class, its name and itself."""
    step, loss = Training.step, FusionNet.get_loss

    def stepping(self, rows):
        call()
        return step(self, rows)

    def losing(self, *args, training=False, **kwargs):
        if training:
            call()
        return loss(self, *args, training=training, **kwargs)

    return {Training: ("step", stepping), FusionNet: ("get_loss", losing)}


def main(kind: str, device: str, folder: str, most: int) -> None:
    taken = []

    def kill_at_last() -> None:
        taken.append(1)
        if len(taken) > most:
            os.kill(os.getpid(), signal.SIGKILL)

    for owner, (name, method) in before_each_step(kill_at_last).items():
        setattr(owner, name, method)
    # A checkpoint after every step.
    skedema._checkpoints._FIRST, skedema._checkpoints._SHARE = 0.0, float("inf")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    fit(kind, device, folder)


if __name__ == "__main__":
    main(*sys.argv[1:4], int(sys.argv[4]))
