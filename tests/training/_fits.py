"""Fits that can be killed, and what there is to compare of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from skorch.callbacks import EpochScoring, LRScheduler
from torch.optim.lr_scheduler import OneCycleLR

from skedema import AttentionMixerClassifier, ViTAutoencoder, VolumeReader

N = 30


def cohort(*, scans: bool = False) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"age": rng.normal(60, 9, N).round(), "sex": rng.choice(["f", "m"], N)})
    y = (X["age"] + rng.normal(0, 5, N) > 60).astype(int).to_numpy()
    if scans:
        cells = [rng.normal(40, 12, (12, 12, 12)).astype("f4") for _ in range(N)]
        X["scan"] = pd.Series(cells).where(np.arange(N) % 7 > 0, None)
    return X, y


def autoencoder(**params: Any) -> ViTAutoencoder:
    sizes = {"dim": 16, "depth": 1, "n_heads": 2, "decoder_dim": 8, "decoder_heads": 2, "patch": 4}
    params = sizes | {"max_epochs": 2, "batch_size": 8, "checkpoint_minutes": 0} | params
    return ViTAutoencoder(size="tiny", volume=VolumeReader(shape=12), check=0, **params)


def schedule() -> LRScheduler:
    return LRScheduler(policy=OneCycleLR, max_lr=0.01, total_steps=9, step_every="batch")


#: By name, parameters of fits of several steps, made anew for each.
KINDS: dict[str, Any] = {
    "committee": lambda: {"n_members": 2, "batch_size": 20},
    "early stopping": lambda: {
        "n_members": 1,
        "early_stopping": True,
        "validation_fraction": 0.3,
        "n_iter_no_change": 1,
        "lr": 0.1,
        "class_weight": "balanced",
    },
    "callbacks": lambda: {
        "n_members": 1,
        "callbacks": [schedule(), EpochScoring("neg_log_loss", on_train=True, name="nll")],
    },
    "fine-tuned": lambda: {"image": "scan", "encoder": autoencoder(), "max_epochs": 2},
    "trained": lambda: {"image": "scan", "encoder": "cnn", "max_epochs": 2, "mirror": True},
    "side by side": lambda: {
        "image": "scan",
        "encoder": [("mean", autoencoder()), ("class", autoencoder(pool="cls"))],
        "fine_tune": False,
        "max_epochs": 1,
    },
}


def make(kind: str, **params: Any) -> AttentionMixerClassifier:
    base = {"max_epochs": 3, "batch_size": 16, "dropout": 0.2, "random_state": 0}
    given = base | {"volume": VolumeReader(shape=12)} | KINDS[kind]() | params
    return AttentionMixerClassifier(**given)


def fit(kind: str, **params: Any) -> AttentionMixerClassifier:
    return make(kind, **params).fit(*cohort(scans="image" in KINDS[kind]()))


def learned(clf: AttentionMixerClassifier, *, scans: bool) -> list[Any]:
    """Give all that a fit has found out, but for the seconds it took."""
    X, _ = cohort(scans=scans)
    weights = [value.cpu().numpy() for value in clf.net_.module_.state_dict().values()]
    history = [{k: v for k, v in row.items() if k != "dur"} for row in clf.net_.history]
    held_out = [] if clf.held_out_ is None else [clf.held_out_.proba, clf.held_out_.y]
    return [weights, history, held_out, clf.classes_, clf.n_iter_, clf.predict_proba(X)]


def same(one: Any, other: Any) -> bool:
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(np.array_equal(one, other))
