"""A row of the table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass

_HEAD = ("fault", "of", "injections", "survived", "work lost", "left behind")


@dataclass(frozen=True)
class Row:
    """One competitor under one fault.

    Attributes
    ----------
    fault : str
        What is done to which work, such as "kill -9, evaluate".
    of : str
        The competitor.
    injections : int
        How often it was done.
    survived : int
        After how many the same call, made again, gave to the bit what the undisturbed one gives.
    lost : str
        How much of what was finished had to be done again, a time; "" where nothing can be lost.
    left : str
        What was left behind after the next start: files, running trials, processes.
    """

    fault: str
    of: str
    injections: int
    survived: int
    lost: str = ""
    left: str = ""


def line(row: Row) -> str:
    """Give a row as a line of Markdown."""
    return _line(astuple(row))


def _line(cells: Iterable[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


HEAD_LINES = (_line(_HEAD), _line("---" for _ in _HEAD))
