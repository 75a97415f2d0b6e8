"""Tasks on a cluster of Ray.

Ray's own tasks: joblib's backend makes a pool of processes a call, and ends where one is lost.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from skedema._each._call import Call, place_of
from skedema._each._cluster import checked, do, lost, packed
from skedema._each._cores import threads_a_worker
from skedema._each._lost import in_order

_RETRIES = 3

_held: tuple[str, Any] = "", None


class Ray:
    """The workers of the cluster that this process belongs to.

    Parameters
    ----------
    n_workers : int
        How many tasks run at the same time.
    """

    def __init__(self, n_workers: int) -> None:
        self.n_workers = n_workers

    def results(
        self, function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], at_once: int
    ) -> Iterator[Any]:
        """Do tasks, so many handed out `at_once`; gives results in their order."""
        import ray

        call = Call.of(function, tasks, threads_a_worker(_most_slots()))
        shared = ray.put(packed(call))
        send = ray.remote(_do).options(num_cpus=1, max_retries=_RETRIES, retry_exceptions=False)
        sent: list[Any] = []
        try:
            for start in range(0, len(tasks), at_once):
                places = range(start, min(start + at_once, len(tasks)))
                sent = [
                    send.remote(shared.hex(), shared, packed(call.own(tasks[k]))) for k in places
                ]
                yield from in_order(
                    [
                        _Due(reference, place_of(function, tasks, k))
                        for k, reference in zip(places, sent, strict=True)
                    ]
                )
        except BaseException:
            for reference in sent:
                ray.cancel(reference, force=False)
            raise


def _most_slots() -> int:
    """Count the tasks that may run at the same time on a machine of the cluster."""
    import ray

    nodes: Any = ray.nodes
    return max(1, *(int(node["Resources"].get("CPU", 0)) for node in nodes() if node["Alive"]))


def _do(name: str, shared: bytes, own: bytes) -> Any:
    global _held
    if _held[0] != name:
        _held = name, pickle.loads(shared)
    return do(_held[1], own)


class _Due:
    """The result of a task to come."""

    def __init__(self, reference: Any, name: Callable[[], str]) -> None:
        self._reference = reference
        self._name = name

    def result(self) -> Any:
        import ray
        from ray.exceptions import OutOfMemoryError, WorkerCrashedError

        try:
            return checked(ray.get(self._reference))
        except (OutOfMemoryError, WorkerCrashedError) as error:
            raise lost("Ray", self._name()) from error
