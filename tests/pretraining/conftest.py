"""A tiny autoencoder, and scans on which it takes milliseconds a step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from skedema import ViTAutoencoder, VolumeReader
from skedema.scans.cache import volumes

SIDE = 12


@pytest.fixture
def autoencoder() -> Callable[..., ViTAutoencoder]:
    def make(**parameters: object) -> ViTAutoencoder:
        defaults = {
            "size": "tiny",
            "dim": 16,
            "depth": 1,
            "n_heads": 2,
            "decoder_dim": 8,
            "decoder_heads": 2,
            "patch": 4,
            "volume": VolumeReader(shape=SIDE),
            "max_epochs": 3,
            "batch_size": 4,
            "random_state": 0,
        }
        return ViTAutoencoder(**(defaults | parameters))

    return make


@pytest.fixture
def scans() -> list[np.ndarray]:
    return [make_scan(number) for number in range(10)]


@pytest.fixture(autouse=True)
def _empty_cache():
    volumes.clear()


def make_scan(number: int) -> np.ndarray:
    """Make a head of sorts: smooth, another one for each number."""
    rng = np.random.default_rng(number)
    x, y, z = np.meshgrid(*3 * [np.linspace(-1, 1, SIDE)], indexing="ij")
    a, b, c = rng.normal(size=3)
    return (40 + 15 * np.sin(a + 3 * x) + 10 * b * y + 5 * np.cos(c * z)).astype(np.float32)


def weights_of(estimator: ViTAutoencoder) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in estimator.module_.state_dict().items()}


def same_weights(one: ViTAutoencoder, other: ViTAutoencoder) -> bool:
    first, second = one.module_.state_dict(), other.module_.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)
