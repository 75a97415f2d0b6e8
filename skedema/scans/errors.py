"""What is raised, and what messages have in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class ScanError(ValueError):
    """A scan cannot be read; the message names the scan, what is wrong and the remedy.

    Examples
    --------
    >>> issubclass(ScanError, ValueError)
    True
    """


class NotBelieved(ScanError):
    """A brain mask or a head's pose is not found, or is not to be trusted.

    The scan itself can be used as it is: `VolumeReader` does so, with a warning.
    """


#: What to do with several scans of a patient, for messages.
SEVERAL_SCANS = (
    "A cell takes one scan. Of several scans of a patient, give each a column and name them all, "
    "image=['baseline', 'followup']; or make one row each and keep a patient's rows together by "
    "groups= of the cross-validation (docs/several-scans.md, 'Columns or rows')."
)

#: The usual remedy for a file.
RESTORE = "restore or convert the file again"


def broken(name: str, why: str, remedy: str = RESTORE) -> ScanError:
    """Say that a file cannot be read."""
    return ScanError(f"{name}: cannot be read ({why}); {remedy}")


def unreadable(name: str, error: BaseException, remedy: str = RESTORE) -> ScanError:
    """Say what a library found wrong with a file."""
    what = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return broken(name, what, remedy)


def refused_by_system(name: str, error: BaseException) -> ScanError:
    """Say why the system does not give a file."""
    if isinstance(error, PermissionError):
        return broken(name, "permission denied", "ask for the right to read it (chmod +r)")
    if isinstance(error, MemoryError):
        return broken(name, "out of memory", "crop it, or read fewer scans at once (n_jobs)")
    why = getattr(error, "strerror", None) or error
    return broken(name, f"{why}", "check the disk or the network, then try again")


@contextmanager
def system_errors(name: str) -> Iterator[None]:
    """Raise what the system refuses within, a file or memory, as an error of the scan."""
    try:
        yield
    except (OSError, MemoryError) as error:
        raise refused_by_system(name, error) from error


@contextmanager
def library_errors(name: str, remedy: str = RESTORE) -> Iterator[None]:
    """Raise what a library raises within, of any type, as an error of the scan."""
    try:
        yield
    except ScanError:
        raise
    except Exception as error:  # gzip, zlib, pydicom, numpy: each has its own
        raise unreadable(name, error, remedy) from error
