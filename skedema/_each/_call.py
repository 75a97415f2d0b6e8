"""What is called, by whoever runs a task: the arguments of all tasks once, and each task's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from joblib import parallel_config
from joblib.parallel import SequentialBackend

from skedema._each._cores import compute_with
from skedema._registry import Registration, register_again, registered

Named = TypeVar("Named", bound=Callable[..., Any])

_first: list[Callable[[], object]] = []


@contextmanager
def beginning_with(function: Callable[[], object]) -> Iterator[None]:
    """Let other processes call a function before each task that they are given within.

    It has to be one that can be imported. Such as for how a process writes its warnings.
    """
    _first.append(function)
    try:
        yield
    finally:
        _first.remove(function)


def named(name: Callable[..., str]) -> Callable[[Named], Named]:
    """Say what a function's task is called in a message, such as by its file or its fold.

    `name` takes the arguments of the call. It is asked only where a task was lost.
    """

    def mark(function: Named) -> Named:
        function.task_name = name  # type: ignore[attr-defined]
        return function

    return mark


def name_of(function: Callable[..., Any], task: tuple[Any, ...]) -> str:
    """Give the name of a task where its function's are `named`, and an empty text elsewhere."""
    name = getattr(function, "task_name", None)
    return "" if name is None else str(name(*task))


def place_of(
    function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], place: int
) -> Callable[[], str]:
    """Give what tells the number of a task, and its name."""

    def told() -> str:
        name = name_of(function, tasks[place])
        return f"task {place + 1} of {len(tasks)}" + (f" ({name})" if name else "")

    return told


@dataclass(frozen=True)
class Call:
    """A function with the arguments that all tasks share, and what has to be so where it runs.

    Attributes
    ----------
    function : callable
        What is called.
    n_arguments : int
        How many it takes.
    shared : dict of int to object
        The arguments that are the same object in all tasks, by their places.
    n_threads : int
        How many it computes with.
    plugins : list
        What is registered in the process that calls.
    first : tuple of callable
        What is called before.
    """

    function: Callable[..., Any]
    n_arguments: int
    shared: dict[int, Any]
    n_threads: int
    plugins: list[Registration]
    first: tuple[Callable[[], object], ...]

    @classmethod
    def of(
        cls, function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], n_threads: int
    ) -> Self:
        """Find what the tasks share."""
        one = tasks[0]
        shared = {
            place: argument
            for place, argument in enumerate(one)
            if len(tasks) > 1 and all(task[place] is argument for task in tasks)
        }
        return cls(function, len(one), shared, n_threads, registered(), tuple(_first))

    def own(self, task: tuple[Any, ...]) -> tuple[Any, ...]:
        """Give the arguments of a task that are not shared."""
        return tuple(argument for place, argument in enumerate(task) if place not in self.shared)

    def __call__(self, *own: Any) -> Any:
        """Do a task, as one that shares the processors with others."""
        register_again(self.plugins)
        for begin in self.first:
            begin()
        compute_with(self.n_threads)
        rest = iter(own)
        places = range(self.n_arguments)
        arguments = [self.shared[k] if k in self.shared else next(rest) for k in places]
        with parallel_config(backend=SequentialBackend(nesting_level=1)):
            return self.function(*arguments)
