"""A small cohort, and the device that these tests are about.

``SKEDEMA_CUDA_TESTS_ON=cpu`` rehearses them where there is no GPU: the CPU is then compared with
itself, which finds mistakes in the tests. As on a GPU, features are computed by copies of networks.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read once, by the first product

import numpy as np
import pandas as pd
import pytest
import torch

from skedema import AttentionMixerClassifier, ViTAutoencoder, VolumeReader
from skedema._device import full_float32
from skedema.encoders import CNN

SIDE = 16


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "SKEDEMA_CUDA_TESTS_ON" in os.environ or torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("cuda"):
            item.add_marker(pytest.mark.skip(reason="torch finds no CUDA device"))


@pytest.fixture(scope="session")
def gpu() -> str:
    return os.environ.get("SKEDEMA_CUDA_TESTS_ON", "cuda")


@pytest.fixture(scope="session")
def real_gpu(gpu: str) -> str:
    if gpu == "cpu":
        pytest.skip("a rehearsal: no CUDA device")
    return gpu


@pytest.fixture(autouse=True)
def _no_tf32():
    """Train in float32 proper, which is what a CPU does."""
    with full_float32(torch.device("cuda")):
        yield


@pytest.fixture(autouse=True)
def _copies_compute(gpu: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if gpu == "cpu":
        for place in ("skedema._features", "skedema._pretraining.worth"):
            monkeypatch.setattr(f"{place}.on_device", lambda module, device: copy.deepcopy(module))


@pytest.fixture
def deterministic():
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="session")
def patients() -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    y = np.arange(24) % 2
    scans = [rng.normal(40, 10, (SIDE,) * 3) + 15 * label for label in y]
    X = pd.DataFrame(
        {
            "scan": pd.Series(scans, dtype=object),
            "age": rng.normal(60, 10, len(y)),
            "sodium": rng.normal(140, 4, len(y)) + y,
            "sex": rng.choice(["f", "m"], len(y)),
        }
    )
    X.loc[[3, 7], "age"] = np.nan
    X.loc[5, "sex"] = None
    X.loc[[6, 11], "scan"] = None
    return X, y


@pytest.fixture(scope="session")
def scans(patients: tuple[pd.DataFrame, np.ndarray]) -> list[np.ndarray]:
    return list(patients[0]["scan"].dropna())


@pytest.fixture(scope="session")
def classifier() -> Callable[..., AttentionMixerClassifier]:
    def make(**parameters: object) -> AttentionMixerClassifier:
        defaults = {
            "image": "scan",
            "encoder": CNN(width=4, depth=2),
            "volume": VolumeReader(spacing=8, shape=SIDE),
            "dim": 16,
            "n_heads": 2,
            "max_epochs": 4,
            "batch_size": 8,
            "random_state": 0,
        }
        return AttentionMixerClassifier(**(defaults | parameters))

    return make


@pytest.fixture(scope="session")
def autoencoder() -> Callable[..., ViTAutoencoder]:
    def make(**parameters: object) -> ViTAutoencoder:
        defaults = {
            "size": "tiny",
            "patch": 4,
            "volume": VolumeReader(spacing=8, shape=SIDE),
            "max_epochs": 3,
            "batch_size": 8,
            "dtype": "float32",
            "random_state": 0,
        }
        return ViTAutoencoder(**(defaults | parameters))

    return make
