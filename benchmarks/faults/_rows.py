"""A row of the table, and the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

HEAD = ("fault", "of", "injections", "survived", "work lost", "left behind")


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


def table(rows: Sequence[Row]) -> str:
    """Give rows as a table of Markdown."""
    lines = [HEAD, ("---",) * len(HEAD), *map(astuple, rows)]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
