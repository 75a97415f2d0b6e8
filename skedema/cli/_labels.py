"""Which class figures are of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skedema._registry import nearest_name
from skedema.cli._codes import UsageError

# Of these two the second in order is meant by everybody.
_PLAIN = [("no", "yes"), ("false", "true"), ("absent", "present"), ("negative", "positive")]


def positive_label(y: Any, given: str | None, say: Callable[[str], object]) -> Any:
    """Find the class that is meant; say so where it was taken by its place in the alphabet."""
    classes = sorted(set(y))
    if given is not None:
        named = {str(label): label for label in classes}
        if given not in named:
            raise UsageError(f"--positive {given}: no such class. {nearest_name(given, named)}")
        return named[given]
    if len(classes) != 2:
        return None
    plain = tuple(str(label).lower() for label in classes)
    if isinstance(classes[0], str) and plain not in _PLAIN:
        say(
            f"figures are of the class {classes[1]!r}, the second by alphabet; "
            f"--positive {classes[0]} takes the other"
        )
    return classes[1]
