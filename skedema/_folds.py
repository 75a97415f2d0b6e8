"""Estimators on folds: one fold after the other, or several at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from skedema._each import each
from skedema._told import table_told

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

    What is about the whole table, such as leaks, is not told of a fold: whoever has the folds
    tells of it once.
    """
    calls = [(function, *fold) for fold in folds]
    return each(_call, calls, n_jobs, progress, in_waves=in_waves)


def _call(function: Callable[..., Result], *arguments: Any) -> Result:
    with table_told():
        return function(*arguments)
