"""Estimators on folds: one fold after the other, or several at the same time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

from skedema._each import each, name_of, named
from skedema._told import listening, table_told, tell, without_repeats
from skedema.scans._remarks import Told, gathered
from skedema.scans._remarks import tell as tell_of_scans

Result = TypeVar("Result")


class Heard(NamedTuple):
    """What was told: texts, and what is odd about scans."""

    texts: list[str]
    scans: list[Told]

    def tell(self) -> None:
        """Tell it, each thing once."""
        # Of how many scans is not known: each fold has others.
        tell_of_scans(sorted(self.scans, key=_number), None)
        for text in without_repeats(self.texts):
            tell(text)


def _number(told: Told) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", told.row)[:1]]


@contextmanager
def told_together() -> Iterator[None]:
    """Tell at the end what is told within, in this thread, each thing once."""
    heard = Heard([], [])
    try:
        with _heard(heard):
            yield
    finally:
        heard.tell()


@contextmanager
def told_of_test() -> Iterator[None]:
    """Say of what is told within that it is about the rows of a second table, called test."""
    heard = Heard([], [])
    try:
        with _heard(heard):
            yield
    finally:
        scans = [told._replace(row=f"test's {told.row}") for told in heard.scans]
        Heard([f"Of test: {text}" for text in heard.texts], scans).tell()


@contextmanager
def _heard(heard: Heard) -> Iterator[None]:
    with listening() as texts, gathered() as scans:
        try:
            yield
        finally:
            heard.texts.extend(texts)
            heard.scans.extend(scans)


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
    tells of it once. All else that folds tell, in whatever process, is told at the end, once.
    """
    calls = [(function, *fold) for fold in folds]
    together = Heard([], [])
    results = each(_call, calls, n_jobs, progress, in_waves=in_waves)
    return _told_at_the_end(results, together)


def _told_at_the_end(results: Iterator[tuple[Result, Heard]], together: Heard) -> Iterator[Result]:
    try:
        for result, heard in results:
            together.texts.extend(heard.texts)
            together.scans.extend(heard.scans)
            yield result
    finally:
        together.tell()


@named(lambda function, *fold: name_of(function, fold) or "a fold")
def _call(function: Callable[..., Result], *arguments: Any) -> tuple[Result, Heard]:
    heard = Heard([], [])
    try:
        with table_told(), _heard(heard):
            result = function(*arguments)
    except BaseException:
        heard.tell()
        raise
    return result, heard
