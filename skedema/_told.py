"""Warnings: at the line of whoever called, heard by others in between, and not twice a call."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# Packages whose lines say nothing to a caller: ours, and what ours are called through.
_INSIDE = {"contextlib", "joblib", "skedema", "sklearn", "torch"}

_heard: ContextVar[list[str] | None] = ContextVar("heard", default=None)
_table_is_told: ContextVar[bool] = ContextVar("table_is_told", default=False)


def tell(text: str) -> None:
    """Warn at the line that called, or hand the text to `listening`."""
    heard = _heard.get()
    if heard is not None:
        heard.append(text)
        return
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in _INSIDE:
        frame, level = frame.f_back, level + 1
    warnings.warn(text, UserWarning, stacklevel=level)


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
