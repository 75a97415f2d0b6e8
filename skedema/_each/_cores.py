"""Threads of workers: all together they are no more than the cores."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from joblib import cpu_count
from threadpoolctl import ThreadpoolController, threadpool_limits

#: What libraries read when they are loaded.
POOLS = (
    *(f"{pool}_NUM_THREADS" for pool in ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMBA", "NUMEXPR")),
    "VECLIB_MAXIMUM_THREADS",
)


def threads_a_worker(n_workers: int) -> int:
    """Give the threads that each of some workers on this machine computes with.

    It is a share of the cores, or fewer where ``OMP_NUM_THREADS`` says so. More is not had by it:
    on a cluster it is often the number of all cores.
    """
    share = max(1, int(cpu_count()) // n_workers)
    said = os.environ.get("OMP_NUM_THREADS", "")
    return min(share, max(1, int(said))) if said.isdecimal() else share


def compute_with(n_threads: int) -> None:
    """Let this Python thread compute with no more threads than that from here on."""
    torch = sys.modules.get("torch")
    # Asked first: a Python thread that is new to torch starts from what others set.
    if torch is not None and torch.get_num_threads() > n_threads:
        torch.set_num_threads(n_threads)
    for library in ThreadpoolController().lib_controllers:
        if library.num_threads > n_threads:
            library.set_num_threads(n_threads)


@contextmanager
def threads_given_back() -> Iterator[None]:
    """Let workers that are threads of this process change what holds for all of it, for a while."""
    torch = sys.modules.get("torch")
    before = None if torch is None else torch.get_num_threads()
    try:
        with threadpool_limits():
            yield
    finally:
        if torch is not None and before is not None:
            torch.set_num_threads(before)
