"""How many workers there are, and what is asked of joblib for that."""

from __future__ import annotations

from multiprocessing import current_process
from typing import Any

from joblib import effective_n_jobs
from joblib.parallel import get_active_backend

#: Backends of joblib that hand tasks to a cluster, by the names of their classes: their packages
#: are not imported to ask.
CLUSTERS = {"DaskDistributedBackend": "dask", "RayBackend": "ray"}


def n_processes(n_jobs: int | None, n_tasks: int) -> int:
    """Give the number of processes to use.

    Parameters
    ----------
    n_jobs : int or None
        As in joblib: None is 1 unless `joblib.parallel_config` says more, -1 all processors. On a
        cluster None is all of it.
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
    return max(1, min(_n_workers(n_jobs), n_tasks))


def _n_workers(n_jobs: int | None) -> int:
    if n_jobs is None and cluster() is not None:
        backend, configured = get_active_backend()
        # As for joblib itself, 1 is what is configured where nobody said how many.
        return int(backend.effective_n_jobs(-1 if configured in (None, 1) else configured))
    return int(effective_n_jobs(n_jobs))


def cluster() -> Any:
    """Give the active backend of joblib where it hands tasks to a cluster, and None elsewhere."""
    backend = get_active_backend()[0]
    return backend if type(backend).__name__ in CLUSTERS else None


def in_worker() -> bool:
    """Tell whether this is a task of somebody who shares the processors out."""
    if get_active_backend()[0].nesting_level > 0:
        return True
    # A thread started in a worker knows nothing of that, but its process tells: those of loky, and
    # those of a pool (daemons, which may not start others). One that people start themselves is
    # neither, and may start as many as they say.
    process = current_process()
    return process.daemon or type(process).__name__ == "LokyProcess"
