"""Tasks on a cluster of Dask.

Not through joblib's backend of it: that hands the table to some worker and cannot make it again,
and leaves results with the workers.
"""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from skedema._each._call import Call, place_of
from skedema._each._cluster import checked, do, lost, packed
from skedema._each._cores import threads_a_worker, threads_given_back
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

        def send(own: bytes) -> Future[Any]:
            sent.append(self._submit(do, shared, own))
            return _fetched(sent[-1])

        try:
            with threads_given_back():  # a cluster may be within this process
                for start in range(0, len(tasks), at_once):
                    places = range(start, min(start + at_once, len(tasks)))
                    yield from in_order(
                        [
                            _Due(send, packed(call.own(tasks[k])), place_of(function, tasks, k))
                            for k in places
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


def _fetched(task: Any) -> Future[Any]:
    """Fetch a result as soon as it is there, and let the cluster forget it.

    One that is left with a worker is computed again where that is lost, even if it was fetched.
    """
    fetched: Future[Any] = Future()

    def fetch(task: Any) -> None:
        try:
            fetched.set_result(task.result())
        except BaseException as error:
            fetched.set_exception(error)
        finally:
            task.release()

    task.add_done_callback(fetch)
    return fetched


class _Due:
    """A result to come."""

    def __init__(
        self, send: Callable[[bytes], Future[Any]], own: bytes, name: Callable[[], str]
    ) -> None:
        self._again = partial(send, own)
        self._name = name
        self._fetched = send(own)

    def result(self) -> Any:
        from distributed.scheduler import KilledWorker

        try:
            try:
                return checked(self._fetched.result())
            except KilledWorker:
                # Dask suspects all tasks that wait at a worker that is lost; one that did not do it
                # gets through now.
                return checked(self._again().result())
        except KilledWorker as error:
            raise lost("Dask", self._name()) from error
