"""One task after the other, or several at the same time in workers, with a bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

from skedema._each._ahead import one_ahead
from skedema._each._bar import bar, moved_on
from skedema._each._call import beginning_with, name_of, named
from skedema._each._dask import Dask
from skedema._each._processes import Processes
from skedema._each._ray import Ray
from skedema._each._through_joblib import ThroughJoblib
from skedema._each._workers import active_backend, in_worker, n_processes, on_cluster

__all__ = [
    "bar",
    "beginning_with",
    "each",
    "n_processes",
    "name_of",
    "named",
    "on_cluster",
    "one_ahead",
]

Result = TypeVar("Result")


def each(
    function: Callable[..., Result],
    tasks: Sequence[tuple[Any, ...]],
    n_jobs: int | None = None,
    progress: Any = None,
    *,
    in_waves: bool = False,
) -> Iterator[Result]:
    """Call a function with the arguments of each task.

    Where `joblib.parallel_config` names a backend, its workers do the tasks; without, processes of
    this machine. One that is killed costs its task, which is done again. They share the cores.

    Parameters
    ----------
    function : callable
        Where it may run in another process, one that can be imported. The plug-ins registered in
        this process are registered in the others.
    tasks : sequence of tuple
        The arguments of each call. One that is the same object in all of them goes to other
        processes once.
    n_jobs : int or None, default=None
        Workers, as `n_processes` takes it; with one, calls are made here, when asked for.
    progress : bar or None, default=None
        As `bar` gives it: it moves on with each result, and is closed at the end.
    in_waves : bool, default=False
        For callers that may stop before the last, of calls that compute for long. A wave is as
        many as run at the same time, and is begun when its first result is asked for. One that is
        under way is waited for: killed workers would lose the scans that they have read. Otherwise
        all tasks are handed out at once.

    Returns
    -------
    iterator
        The results in the order of the tasks, each as soon as it is there.

    Raises
    ------
    RuntimeError
        When workers are killed again and again in the same task, which is named.
    """
    engine = _engine(n_jobs, len(tasks))
    results: Iterator[Result]
    if engine is None:
        results = (function(*task) for task in tasks)
    else:
        results = engine.results(function, tasks, engine.n_workers if in_waves else len(tasks))
    return results if progress is None else moved_on(results, progress)


class _Engine(Protocol):
    """What runs tasks in workers."""

    n_workers: int

    def results(
        self, function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], at_once: int
    ) -> Iterator[Any]: ...


def _engine(n_jobs: int | None, n_tasks: int) -> _Engine | None:
    n_workers = n_processes(n_jobs, n_tasks)
    backend, kind = active_backend()
    if in_worker() or n_jobs == 1 or not n_tasks:
        return None
    if kind == "DaskDistributedBackend":  # also for one worker: it may have what is missing here
        return Dask(n_workers, backend.client)
    if kind == "RayBackend":
        return Ray(n_workers)
    if n_workers == 1:
        return None
    return Processes(n_workers) if kind == "LokyBackend" else ThroughJoblib(n_workers)
