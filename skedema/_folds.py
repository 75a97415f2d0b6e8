"""Estimators on folds: one fold after the other, or several at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from skedema._each import each
from skedema.clinical.leaks import leaks_known

Result = TypeVar("Result")


def each_fold(
    function: Callable[..., Result],
    folds: Sequence[tuple[Any, ...]],
    n_jobs: int | None,
    progress: Any = None,
    *,
    in_waves: bool = False,
) -> Iterator[Result]:
    """Call a function with the arguments of each fold, as `each` does.

    What is fitted in it does not look for leaks: whoever has the folds tells of them once.
    """
    calls = [(function, *fold) for fold in folds]
    return each(_call, calls, n_jobs, progress, in_waves=in_waves)


def _call(function: Callable[..., Result], *arguments: Any) -> Result:
    with leaks_known():
        return function(*arguments)
