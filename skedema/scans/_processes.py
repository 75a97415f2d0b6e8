"""Reading in several processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import current_process
from typing import Any, TypeVar

from joblib import Parallel, delayed, effective_n_jobs, parallel_config
from joblib.parallel import get_active_backend

Item = TypeVar("Item")
Result = TypeVar("Result")


def n_processes(n_jobs: int | None, n_tasks: int) -> int:
    """Give the number of processes to use.

    Parameters
    ----------
    n_jobs : int or None
        As in joblib: None is 1 unless `joblib.parallel_config` says more, -1 all processors.
    n_tasks : int
        There is no use for more processes than tasks.

    Returns
    -------
    int
        At least 1. It is 1 in a worker of `joblib.Parallel`, be it a process or a thread, such as
        one of ``cross_validate(n_jobs=2)``: the workers share the processors already.

    Notes
    -----
    What joblib knows of itself is bound to the thread. A thread that somebody starts within a
    worker that is itself a thread cannot be told from others: ask before starting it.
    """
    if _in_worker():
        return 1
    return max(1, min(int(effective_n_jobs(n_jobs)), n_tasks))


def _in_worker() -> bool:
    if get_active_backend()[0].nesting_level > 0:
        return True
    # A thread started in a worker knows nothing of that, but its process tells: those of loky, and
    # those of a pool (daemons, which may not start others). One that people start themselves is
    # neither, and may start as many as they say.
    process = current_process()
    return process.daemon or type(process).__name__ == "LokyProcess"


def in_processes(
    function: Callable[..., Result], arguments: Iterable[tuple[Any, ...]], n_jobs: int
) -> Iterator[Result]:
    """Call a function with each tuple of arguments; gives the results in order, as they come."""
    # One thread a process: two on a busy machine with two cores are many times slower.
    with parallel_config(backend="loky", inner_max_num_threads=1):
        parallel = Parallel(n_jobs=n_jobs, return_as="generator")
    results: Iterator[Result] = parallel(delayed(function)(*each) for each in arguments)
    return results


def one_ahead(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Call a function with each item; gives a result while a thread is at the next one."""
    with ThreadPoolExecutor(1) as thread:
        due = [thread.submit(function, item) for item in items[:1]]
        for following in [*items[1:], None]:
            result = due.pop().result()
            if following is not None:
                due.append(thread.submit(function, following))
            yield result
