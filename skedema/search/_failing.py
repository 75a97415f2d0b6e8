"""What a storage failed with, in the words of the system, by the name of the file."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from optuna.study import Study


def cannot_be_written(path: str) -> str:
    """Say what to do about a study that a disk has no room for."""
    return (
        f"The study in {path} cannot be written. The trials that are finished are kept there: make "
        "room or mend the permissions, and run the search again."
    )


@contextmanager
def told_plainly(study: Study) -> Iterator[None]:
    """Raise what a study could not be written for, and not what Optuna makes of that.

    It asserts that a trial that could not be ended had ended, and speaks of invalid data where a
    database finds the disk full.
    """
    try:
        yield
    except Exception as error:
        for each in _causes(error):
            if isinstance(each, OSError) and isinstance(error, AssertionError):
                raise each from None
            if isinstance(each, sqlite3.OperationalError) and "disk is full" in str(each):
                raise _full(study) from error
        raise


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _full(study: Study) -> OSError:
    storage: Any = study._storage  # what Optuna puts before a database
    path = getattr(storage, "_backend", storage).engine.url.database
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
    error.add_note(cannot_be_written(path))
    return error
