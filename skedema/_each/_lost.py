"""Tasks that no worker lives to finish."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol


class LostTaskError(RuntimeError):
    """A task whose worker was killed again and again."""


class Due(Protocol):
    """A result to come."""

    def result(self) -> Any:
        """Wait for it, and give or raise it."""


def in_order(due: Sequence[Due]) -> Iterator[Any]:
    """Give results in order; of a task that is lost it is raised when all others are finished."""
    lost = None
    for each in due:
        try:
            result = each.result()
        except LostTaskError as error:
            lost = lost or error
            continue
        if lost is None:
            yield result
    if lost is not None:
        raise lost
