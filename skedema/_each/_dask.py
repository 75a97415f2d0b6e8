"""Tasks on a cluster of Dask.

Not through joblib's backend of it: there the loss of a worker ends all. A client's own tasks are
done again elsewhere.
"""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from skedema._each._call import Call, place_of
from skedema._each._cluster import checked, do, lost, packed
from skedema._each._cores import threads_a_worker
from skedema._each._lost import in_order

_RETRIES = 3  # of what is no error of the task, such as a connection that broke


class Dask:
    """The workers of a cluster.

    Parameters
    ----------
    n_workers : int
        How many tasks run at the same time.
    client : distributed.Client
        Through which tasks are sent.
    """

    def __init__(self, n_workers: int, client: Any) -> None:
        self.n_workers = n_workers
        self._client = client

    def results(
        self, function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], at_once: int
    ) -> Iterator[Any]:
        """Do tasks, so many handed out `at_once`; gives results in their order."""
        import dask

        call = Call.of(function, tasks, self._threads_a_task())
        # A task of its own, so that the cluster makes it again where all who held it are lost.
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"}):
            shared = self._submit(pickle.loads, packed(call))
        sent: list[Any] = []
        try:
            for start in range(0, len(tasks), at_once):
                places = range(start, min(start + at_once, len(tasks)))
                sent = [self._submit(do, shared, packed(call.own(tasks[k]))) for k in places]
                arrivals = _Arrivals(sent)
                yield from in_order(
                    [
                        _Due(arrivals, future, place_of(function, tasks, k))
                        for k, future in zip(places, sent, strict=True)
                    ]
                )
        finally:
            self._client.cancel([shared, *sent])

    def _submit(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return self._client.submit(function, *arguments, retries=_RETRIES, pure=False)

    def _threads_a_task(self) -> int:
        """Share the cores of a machine among all tasks that may run there."""
        slots: Counter[str] = Counter()
        for worker in self._client.scheduler_info(n_workers=-1)["workers"].values():
            slots[worker["host"]] += worker["nthreads"]
        return threads_a_worker(max(slots.values(), default=1))


class _Arrivals:
    """Results, fetched as soon as they are there: one left in a worker may be lost with it."""

    def __init__(self, futures: Sequence[Any]) -> None:
        from distributed import as_completed

        self._completed = as_completed(futures, with_results=True, raise_errors=False)
        self._found: dict[str, Any] = {}

    def of(self, future: Any) -> Any:
        while future.key not in self._found:
            done, result = next(self._completed)
            self._found[done.key] = result if done.status == "finished" else None
        return self._found.pop(future.key)


class _Due:
    """The result of a task to come."""

    def __init__(self, arrivals: _Arrivals, future: Any, name: Callable[[], str]) -> None:
        self._arrivals = arrivals
        self._future = future
        self._name = name

    def result(self) -> Any:
        from distributed.scheduler import KilledWorker

        result = self._arrivals.of(self._future)
        if self._future.status == "finished":
            return checked(result)
        try:
            return self._future.result()  # raises what ended it
        except KilledWorker as error:
            raise lost("Dask", self._name()) from error
