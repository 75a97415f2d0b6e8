"""Tasks where joblib is configured to run them: in threads, or in what a package registered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from joblib import Parallel, delayed

from skedema._each._call import Call
from skedema._each._cores import threads_a_worker, threads_given_back
from skedema._each._workers import active_backend


class ThroughJoblib:
    """Workers of the active backend of joblib.

    Parameters
    ----------
    n_workers : int
        How many.
    """

    def __init__(self, n_workers: int) -> None:
        self.n_workers = n_workers

    @property
    def _gives_one_by_one(self) -> bool:
        return bool(active_backend()[0].supports_return_generator)

    def results(
        self, function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], at_once: int
    ) -> Iterator[Any]:
        """Do tasks, so many handed out `at_once`; gives results in their order."""
        n_threads = threads_a_worker(self.n_workers)
        call = Call.of(function, tasks, n_threads)
        do = delayed(call)
        given_as = "generator" if self._gives_one_by_one else "list"
        with (
            threads_given_back(),
            Parallel(n_jobs=self.n_workers, return_as=given_as) as parallel,
        ):
            for start in range(0, len(tasks), at_once):
                wave = tasks[start : start + at_once]
                yield from parallel(do(*call.own(task)) for task in wave)
