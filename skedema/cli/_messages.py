"""Lines on standard error: notes, warnings, and errors with their exit codes."""

from __future__ import annotations

import re
import sys
import warnings
from typing import Any

from skedema.cli._codes import DATA, FAILED, USAGE, DataError, MissingPackage, UsageError

_PLACES = re.compile(r"\b\d+ (?:of \d+ )?scans? |\b\d+ of \d+ |\brows? \d+(, \d+)*( and \d+ more)?")


def say(text: str) -> None:
    """Write a line on standard error."""
    print(f"skedema: {text}", file=sys.stderr, flush=True)


class PlainWarnings:
    """Write each warning once, as a line; in place of `warnings.showwarning`.

    Folds tell of the same scans: how many others there are and in which row makes no other warning.
    """

    def __init__(self) -> None:
        self._told: set[str] = set()

    def __call__(self, message: Any, category: type[Warning], *where: Any, **how: Any) -> None:
        text = " ".join(str(message).split())
        # What the developers of a library have to change is nothing for its users.
        developers = DeprecationWarning | PendingDeprecationWarning | FutureWarning
        told = _PLACES.sub("", text)
        if told not in self._told and not issubclass(category, developers):
            self._told.add(told)
            say(f"warning: {text}")


def write_plain_warnings() -> None:
    """Begin with lines, in this process."""
    if not isinstance(warnings.showwarning, PlainWarnings):
        warnings.showwarning = PlainWarnings()


def code_of(error: Exception) -> int:
    """Tell what an error is about."""
    from sklearn.utils._param_validation import InvalidParameterError

    if isinstance(error, UsageError | InvalidParameterError):
        return USAGE
    # What skedema and scikit-learn refuse about a table, labels or scans.
    told = isinstance(error, ValueError) and not isinstance(error, UnicodeError)
    return DATA if told or isinstance(error, DataError) else FAILED


def message_of(error: Exception, code: int) -> str:
    """Say in a line what went wrong."""
    text = " ".join([str(error), *getattr(error, "__notes__", ())]).strip()
    if code != FAILED or isinstance(error, MissingPackage | ImportError):
        return text or type(error).__name__
    return f"{type(error).__name__}: {text} (--debug shows where)"
