"""Warnings: at the line of whoever called, heard by others in between, and not twice a call."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType

# Packages whose lines say nothing to a caller: ours, and what ours are called through.
_INSIDE = {"contextlib", "joblib", "skedema", "sklearn", "skorch", "torch"}

_heard: ContextVar[list[str] | None] = ContextVar("heard", default=None)
_asked: set[tuple[str, str, int, int]] = set()
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
    """Tell whether the line that called has not asked yet, all folds of one call being a line."""
    frame, _ = _caller()
    place = what, frame.f_code.co_filename, frame.f_lineno, id(frame)
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
