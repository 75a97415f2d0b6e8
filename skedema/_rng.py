"""Randomness that leaves the caller's generators alone."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

_RNG_LOCK = threading.RLock()


@contextmanager
def isolated_rng(seed: int) -> Iterator[None]:
    """Seed the global generators for a while and put them back as they were.

    Initialisers and dropout of torch, and of third-party encoders, draw from global generators. A
    lock keeps threads from drawing from each other's; fits in threads of one process take turns.

    Parameters
    ----------
    seed : int
        For torch, numpy and random.

    Yields
    ------
    None
        Nothing.
    """
    # The legacy generator is the one that others draw from.
    with _RNG_LOCK:
        numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.manual_seed(seed)
            np.random.seed(seed % 2**32)  # noqa: NPY002
            random.seed(seed)
            try:
                yield
            finally:
                np.random.set_state(numpy_state)  # noqa: NPY002
                random.setstate(python_state)
