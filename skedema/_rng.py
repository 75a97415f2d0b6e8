"""Randomness that leaves the caller's generators alone."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

_RNG_LOCK = threading.RLock()


@contextmanager
def isolated_rng(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Seed the global generators for a while and put them back as they were.

    Initialisers and dropout of torch, and of third-party encoders, draw from global generators. A
    lock keeps threads from drawing from each other's; fits in threads of one process take turns.

    A `device` is seeded as well, for what draws there; of other kinds than CUDA the state is not
    put back. None, or the CPU: no GPU is touched, and CUDA is not started for it.
    """
    # The legacy generator is the one that others draw from.
    with _RNG_LOCK:
        numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
        with torch.random.fork_rng(devices=_cuda_devices(device)):
            _seed_torch(seed, device)
            np.random.seed(seed % 2**32)  # noqa: NPY002
            random.seed(seed)
            try:
                yield
            finally:
                np.random.set_state(numpy_state)  # noqa: NPY002
                random.setstate(python_state)


def generators(device: torch.device) -> dict[str, Any]:
    """Give the state of what `isolated_rng` seeds, as tensors and numbers."""
    name, keys, *rest = np.random.get_state()  # noqa: NPY002
    version, words, gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": [torch.cuda.get_rng_state(index) for index in _cuda_devices(device)],
        "numpy": [name, torch.from_numpy(np.asarray(keys, dtype=np.int64)), *rest],
        "python": [version, torch.tensor(words), gauss],
    }


def set_generators(states: Mapping[str, Any], device: torch.device) -> None:
    """Bring generators to states that `generators` gave; of a GPU, if it was on one."""
    torch.set_rng_state(states["torch"])
    for index, state in zip(_cuda_devices(device), states["cuda"], strict=False):
        torch.cuda.set_rng_state(state, index)
    name, keys, *rest = states["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    version, words, gauss = states["python"]
    random.setstate((version, tuple(words.tolist()), gauss))


def _cuda_devices(device: torch.device | None) -> list[int]:
    if device is None or device.type != "cuda":
        return []
    return [torch.cuda.current_device() if device.index is None else device.index]


def _seed_torch(seed: int, device: torch.device | None) -> None:
    # torch.manual_seed would seed every GPU, also those whose state is not put back.
    torch.default_generator.manual_seed(seed)
    for index in _cuda_devices(device):
        torch.cuda.default_generators[index].manual_seed(seed)
    if device is not None and device.type not in ("cpu", "cuda"):
        torch.get_device_module(device).manual_seed(seed)
