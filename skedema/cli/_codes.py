"""What a command ends with, and the errors that decide it."""

from __future__ import annotations

OK, DATA, USAGE, FAILED, INTERRUPTED = 0, 1, 2, 3, 130

#: For the help of each command.
TOLD = (
    "Exit codes: 0 done; 1 the data: findings of a check, or a table or scan that cannot be used; "
    "2 usage: an option, column or parameter that is not there; 3 failed: a package is missing, "
    "the disk is full, or a fault of skedema; 130 interrupted."
)


class DataError(Exception):
    """The table, or a scan, cannot be used."""


class UsageError(Exception):
    """What was asked for is not there."""


class MissingPackage(Exception):
    """A package is not installed."""
