"""How many workers there are, and what is asked of joblib for that."""

from __future__ import annotations

from multiprocessing import current_process
from typing import Any

from joblib import effective_n_jobs
from joblib.parallel import get_active_backend

#: Backends of joblib that hand tasks to a cluster. Their packages are not imported to ask.
CLUSTERS = {"DaskDistributedBackend", "RayBackend"}


def n_processes(n_jobs: int | None, n_tasks: int) -> int:
    """Give the number of processes to use.

    Parameters
    ----------
    n_jobs : int or None
        As in joblib: None is 1 unless `joblib.parallel_config` says more, -1 all processors. Where
        that names a cluster, all but 1 is the whole of it.
    n_tasks : int
        There is no use for more processes than tasks.

    Returns
    -------
    int
        At least 1. It is 1 in a worker, be it a process or a thread, such as one of
        ``cross_validate(n_jobs=2)``: the workers share the processors already.

    Notes
    -----
    What joblib knows of itself is bound to the thread. A thread that somebody starts within a
    worker that is itself a thread cannot be told from others: ask before starting it.
    """
    if in_worker() or n_jobs == 1:
        return 1
    backend, kind = active_backend()
    if kind == "RayBackend":
        _connect_to_ray()
    size = backend.effective_n_jobs(-1) if kind in CLUSTERS else effective_n_jobs(n_jobs)
    return max(1, min(int(size), n_tasks))


def _connect_to_ray() -> None:
    import ray

    if not ray.is_initialized():
        ray.init()  # as joblib's backend does: where RAY_ADDRESS says, or a cluster of this machine


def on_cluster() -> bool:
    """Tell whether tasks are handed to a cluster."""
    return not in_worker() and active_backend()[1] in CLUSTERS


def active_backend() -> tuple[Any, str]:
    """Give the backend that joblib is configured to use, and the name of its class."""
    backend = get_active_backend()[0]
    return backend, type(backend).__name__


def in_worker() -> bool:
    """Tell whether this is a task of somebody who shares the processors out."""
    if get_active_backend()[0].nesting_level > 0:
        return True
    # A thread started in a worker knows nothing of that, but its process tells: those of loky, and
    # those of a pool (daemons, which may not start others). One that people start themselves is
    # neither, and may start as many as they say.
    process = current_process()
    return process.daemon or type(process).__name__ == "LokyProcess"
