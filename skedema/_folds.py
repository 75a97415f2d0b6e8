"""Estimators on folds: one fold after the other, or several at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from joblib import Parallel, delayed

from skedema._told import table_told
from skedema.scans._processes import in_processes, n_processes

Result = TypeVar("Result")


def each_fold(
    function: Callable[..., Result],
    folds: Sequence[tuple[Any, ...]],
    n_jobs: int | None,
    *,
    in_waves: bool = False,
) -> Iterator[Result]:
    """Call a function with the arguments of each fold; gives results in order, as they come.

    What is about the whole table, such as leaks, is not told of a fold: whoever has the folds does
    so once.

    Parameters
    ----------
    function : callable
        One that can be pickled, for processes.
    folds : sequence of tuple
        The arguments.
    n_jobs : int or None
        As in joblib. In a worker of joblib it is one.
    in_waves : bool, default=False
        For callers that may stop before the last. A wave is as many as run at the same time, and
        is begun when its first result is asked for. One that is under way is waited for: killed
        workers would lose the scans that they have read. joblib shares the cores among the workers,
        and runs them where it is configured to. Otherwise all folds are handed out at once, to
        processes with one thread each.

    Returns
    -------
    iterator
        In one process nothing is begun before it is asked for.
    """
    n_workers = n_processes(n_jobs, len(folds))
    calls = [(function, *fold) for fold in folds]
    if n_workers == 1:
        return (_call(*each) for each in calls)
    if in_waves:
        return _waves(calls, n_workers)
    return in_processes(_call, calls, n_workers)


def _waves(calls: list[tuple[Any, ...]], n_workers: int) -> Iterator[Any]:
    for start in range(0, len(calls), n_workers):
        wave = calls[start : start + n_workers]
        yield from Parallel(n_jobs=n_workers)(delayed(_call)(*each) for each in wave)


def _call(function: Callable[..., Result], *arguments: Any) -> Result:
    with table_told():
        return function(*arguments)
