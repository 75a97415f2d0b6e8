"""Warnings: at the line of whoever called, heard by others in between, and not twice a call."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from types import FrameType
from typing import Any

# Packages whose lines say nothing to a caller: ours, and what ours are called through.
_INSIDE = {"contextlib", "joblib", "skedema", "sklearn", "skorch", "torch"}

# How messages count rows and scans, and name them.
_COUNT = re.compile(r"\b\d+ of \d+ ")
_ROWS = re.compile(
    r"\brows? (?P<numbers>\d+(?:, \d+)*)(?P<more>, \.\.\. \(\d+ in all\))?(?: \(index [^)]*\))?"
)

_heard: ContextVar[list[str] | None] = ContextVar("heard", default=None)
_asked: set[tuple[str, str, int]] = set()
_table_is_told: ContextVar[bool] = ContextVar("table_is_told", default=False)


def tell(text: str) -> None:
    """Warn at the line that called, or hand the text to `listening`."""
    heard = _heard.get()
    if heard is not None:
        heard.append(text)
        return
    _, level = _caller()
    warnings.warn(text, UserWarning, stacklevel=level)


def first_time_here(what: str) -> bool:
    """Tell whether the line that called has not asked yet, as Python shows a warning."""
    frame, _ = _caller()
    place = what, frame.f_code.co_filename, frame.f_lineno
    if place in _asked:
        return False
    _asked.add(place)
    return True


def _caller() -> tuple[FrameType, int]:
    """Find who called from outside, and how many frames there are between."""
    frame, level = sys._getframe(2), 2
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in _INSIDE:
        frame, level = frame.f_back, level + 1
    return frame, level


@contextmanager
def listening() -> Iterator[list[str]]:
    """Gather what is told within, in this thread, in place of warnings."""
    texts: list[str] = []
    token = _heard.set(texts)
    try:
        yield texts
    finally:
        _heard.reset(token)


class _Recorder:
    """Where warnings of Python go while any thread records them.

    `warnings.catch_warnings` is the whole process's: of two threads that take turns with it one
    hears what the other raised, and the last to leave puts back the filters of within.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._n_inside = 0
        self._texts: ContextVar[list[str] | None] = ContextVar("recorded", default=None)

    @contextmanager
    def __call__(self) -> Iterator[list[str]]:
        texts: list[str] = []
        with self._lock:
            if not self._n_inside:
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                self._show = warnings.showwarning
                warnings.simplefilter("always")
                warnings.showwarning = self._heard
            self._n_inside += 1
        token = self._texts.set(texts)
        try:
            yield texts
        finally:
            self._texts.reset(token)
            with self._lock:
                self._n_inside -= 1
                if not self._n_inside:
                    self._caught.__exit__(None, None, None)

    def _heard(self, message: Warning | str, *where: Any, **more: Any) -> None:
        texts = self._texts.get()
        if texts is None:  # of a thread that records nothing
            self._show(message, *where, **more)
        else:
            texts.append(str(message))


recorded = _Recorder()
"""A context that gives the texts of all warnings raised within, in this thread; none is shown."""


def without_repeats(texts: Iterable[str]) -> list[str]:
    """Leave out texts that another one says as well, of the same rows and maybe of more.

    Folds tell of the same rows in different numbers. Texts that name further rows are kept.
    """
    texts = list(dict.fromkeys(texts))
    places = [_places(text) for text in texts]
    kept: list[int] = []
    for k in sorted(range(len(texts)), key=lambda k: -sum(map(len, places[k]))):
        if not any(_says(texts[j], places[j], texts[k], places[k]) for j in kept):
            kept.append(k)
    return [texts[k] for k in sorted(kept)]


def _says(text: str, rows: list[set[str]], other: str, its_rows: list[set[str]]) -> bool:
    same = _ROWS.sub("", _COUNT.sub("", text)) == _ROWS.sub("", _COUNT.sub("", other))
    return same and all(few <= many for few, many in zip(its_rows, rows, strict=True))


def _places(text: str) -> list[set[str]]:
    """List the rows of each place where a text names some; a list that is cut is itself only."""
    found = _ROWS.finditer(text)
    return [{m[0]} if m["more"] else set(m["numbers"].split(", ")) for m in found]


@contextmanager
def table_told() -> Iterator[None]:
    """Keep what is about a whole table from being told of its parts within, in this thread."""
    token = _table_is_told.set(True)
    try:
        yield
    finally:
        _table_is_told.reset(token)


def is_table_told() -> bool:
    return _table_is_told.get()
