"""Reading in several processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from joblib import Parallel, delayed, parallel_config

Result = TypeVar("Result")


def in_processes(
    function: Callable[..., Result], arguments: Iterable[tuple[Any, ...]], n_jobs: int
) -> Iterator[Result]:
    """Call a function with each tuple of arguments; gives the results in order, as they come."""
    # One thread a process: two on a busy machine with two cores are many times slower.
    with parallel_config(backend="loky", inner_max_num_threads=1):
        parallel = Parallel(n_jobs=n_jobs, return_as="generator")
    results: Iterator[Result] = parallel(delayed(function)(*each) for each in arguments)
    return results
