"""Lists of files and numbers in messages, cut short."""

from __future__ import annotations

from collections.abc import Sequence

_MOST = 3


def some(labels: Sequence[str], noun: str = "file") -> str:
    """Name a few of many; "1 file (a)", or "5 files (a, b, c and 2 more)"."""
    shown = ", ".join(labels[:_MOST])
    more = f" and {len(labels) - _MOST} more" if len(labels) > _MOST else ""
    return f"{len(labels)} {noun}{'s' if len(labels) > 1 else ''} ({shown}{more})"


def runs(numbers: Sequence[int]) -> str:
    """Name whole numbers, sorted, those in a row as a range: "3, 7 to 9"."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    texts = [f"{a}" if a == b else f"{a} to {b}" for a, b in spans]
    return ", ".join(texts[:_MOST]) + (" ..." if len(texts) > _MOST else "")
