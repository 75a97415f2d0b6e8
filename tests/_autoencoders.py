"""Tiny autoencoders, and a cohort on which they learn within seconds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from skedema import ViTAutoencoder, VolumeReader

SIDE = 12


def make(**parameters: object) -> ViTAutoencoder:
    defaults = {
        "size": "tiny",
        "dim": 24,
        "depth": 1,
        "n_heads": 2,
        "decoder_dim": 16,
        "decoder_heads": 2,
        "patch": 4,
        "volume": VolumeReader(shape=SIDE),
        "max_epochs": 3,
        "batch_size": 8,
        "random_state": 0,
    }
    return ViTAutoencoder(**(defaults | parameters))


def make_cohort(n: int) -> tuple[pd.Series, np.ndarray]:
    """Make heads that differ in shape, half of them with a dark region."""
    rng = np.random.default_rng(0)
    y = rng.permutation(np.arange(n) % 2)
    x = np.linspace(-1, 1, SIDE)
    scans = pd.Series([None] * n, dtype=object, index=[f"P{k}" for k in range(n)])
    for patient in range(n):
        waves = [np.sin(rng.normal() + rng.uniform(1, 3) * x) for _ in range(3)]
        hu = 40 + 6 * (waves[0][:, None, None] + waves[1][:, None] + waves[2])
        hu = hu + rng.normal(0, 2, hu.shape)
        if y[patient]:
            hu[4:10, 4:10, 3:9] -= 15
        scans.iloc[patient] = hu.astype(np.float32)
    return scans, y


def same_weights(one: ViTAutoencoder, other: ViTAutoencoder) -> bool:
    first, second = one.module_.state_dict(), other.module_.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)
