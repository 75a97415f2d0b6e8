"""Patients with small scans as arrays, two without one, and classifiers that train in no time."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from skedema import AttentionMixerClassifier, ViTAutoencoder, VolumeReader
from skedema.encoders import CNN

READER = VolumeReader(spacing=None, shape=8)


def draw(n: int = 40) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    scans: list[Any] = [rng.normal(40 - 4 * label, 8, (8, 8, 8)) for label in y]
    scans[3] = scans[10] = None
    X = pd.DataFrame(
        {
            "sodium": rng.normal(138 - 3 * y, 4, n),
            "scan": pd.Series(scans, dtype=object),
            "age": rng.integers(20, 90, n),
            "sex": rng.choice(["f", "m"], n),
            "intubated": rng.random(n) < 0.3,
        }
    )
    X.loc[::7, "sodium"] = np.nan
    X.loc[::9, "sex"] = None
    return X, y


def autoencoder(**parameters: Any) -> ViTAutoencoder:
    small = {"size": "tiny", "patch": 4, "depth": 1, "decoder_depth": 1, "max_epochs": 1}
    return ViTAutoencoder(**(small | {"volume": READER} | parameters))


def classifier(**parameters: Any) -> AttentionMixerClassifier:
    quick = {"image": "scan", "volume": READER, "dim": 8, "max_epochs": 2, "random_state": 0}
    return AttentionMixerClassifier(**(quick | {"encoder": CNN(width=4, depth=2)} | parameters))


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    return SimpleNamespace(
        autoencoder=autoencoder, classifier=classifier, patients=draw, reader=READER
    )
