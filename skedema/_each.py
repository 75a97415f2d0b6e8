"""One task after the other, or several at the same time in processes, with a bar."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import current_process
from typing import Any, TextIO, TypeVar

from joblib import Parallel, delayed, effective_n_jobs, parallel_config
from joblib.parallel import get_active_backend

from skedema._registry import Registration, register_again, registered

Item = TypeVar("Item")
Result = TypeVar("Result")

_SECONDS_A_LINE = 30.0  # in a log file

_first: list[Callable[[], object]] = []


def each(
    function: Callable[..., Result],
    tasks: Sequence[tuple[Any, ...]],
    n_jobs: int | None = None,
    progress: Any = None,
    *,
    in_waves: bool = False,
) -> Iterator[Result]:
    """Call a function with the arguments of each task.

    Parameters
    ----------
    function : callable
        Where it may run in another process, one that can be imported. The plug-ins registered in
        this process are registered in the others.
    tasks : sequence of tuple
        The arguments of each call.
    n_jobs : int or None, default=None
        Processes, as `n_processes` takes it; with one, calls are made here, when asked for.
    progress : bar or None, default=None
        As `bar` gives it: it moves on with each result, and is closed at the end.
    in_waves : bool, default=False
        For callers that may stop before the last, of calls that compute for long. A wave is as
        many as run at the same time, and is begun when its first result is asked for. One that is
        under way is waited for: killed workers would lose the scans that they have read. joblib
        shares the cores among them, and runs them where `joblib.parallel_config` says. Otherwise
        all tasks are handed out at once, to processes with one thread each: two on a busy machine
        with two cores are many times slower.

    Returns
    -------
    iterator
        The results in the order of the tasks, each as soon as it is there.
    """
    results: Iterator[Result]
    n_workers = n_processes(n_jobs, len(tasks))
    if n_workers == 1:
        results = (function(*task) for task in tasks)
    elif in_waves:
        results = _waves(_apart(function), tasks, n_workers)
    else:
        with parallel_config(backend="loky", inner_max_num_threads=1):
            parallel = Parallel(n_jobs=n_workers, return_as="generator")
        apart = _apart(function)
        results = parallel(apart(*task) for task in tasks)
    return results if progress is None else _shown(results, progress)


def _waves(
    apart: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], n_workers: int
) -> Iterator[Result]:
    for start in range(0, len(tasks), n_workers):
        wave = tasks[start : start + n_workers]
        yield from Parallel(n_jobs=n_workers)(apart(*task) for task in wave)


def _apart(function: Callable[..., Result]) -> Callable[..., Any]:
    """Give what calls it in another process, where the same plug-ins are registered first."""
    begun = partial(_begun, registered(), tuple(_first), function)
    return delayed(begun)  # type: ignore[no-any-return]


def _begun(
    plugins: list[Registration],
    first: tuple[Callable[[], object], ...],
    function: Callable[..., Result],
    *arguments: Any,
) -> Result:
    register_again(plugins)
    for begin in first:
        begin()
    return function(*arguments)


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


def _shown(results: Iterator[Result], progress: Any) -> Iterator[Result]:
    with progress:
        for result in results:
            progress.update()
            yield result


def bar(what: str, unit: str, total: int, *, done: int = 0, shown: object = True) -> Any:
    """Make a progress bar on standard error; a line every half minute where that is no terminal.

    Parameters
    ----------
    what, unit : str
        What is done, and what is counted, such as "reading scans" and "scan".
    total, done : int
        How many there are, and how many are behind.
    shown : bool or int, default=True
        A `verbose`; nothing is shown with 0.

    Returns
    -------
    tqdm
        A context with ``update()`` and ``set_postfix(...)``.
    """
    from tqdm import tqdm

    drawn: dict[str, Any] = {"file": sys.stderr}
    if not sys.stderr.isatty():
        drawn = {"file": _Lines(sys.stderr), "mininterval": _SECONDS_A_LINE, "ascii": True}
    return tqdm(total=total, initial=done, desc=what, unit=unit, disable=not shown, **drawn)


class _Lines:
    """Where a bar is not drawn over itself, as in a log file: a line a time, and the last one."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> None:
        shown = text.strip()
        if shown:
            self._file.write(f"{shown}\n")

    def flush(self) -> None:
        self._file.flush()


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


def one_ahead(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Call a function with each item; gives a result while a thread is at the next one."""
    with ThreadPoolExecutor(1) as thread:
        due = [thread.submit(function, item) for item in items[:1]]
        for following in [*items[1:], None]:
            result = due.pop().result()
            if following is not None:
                due.append(thread.submit(function, following))
            yield result
