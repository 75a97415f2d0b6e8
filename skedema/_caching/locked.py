"""The system's locks on open files: a process that ends, however it does, has none."""

from __future__ import annotations

import sys


def lock(handle: int, *, wait: bool) -> bool:
    """Lock an open file for as long as it is open, against whoever else locks it so.

    Parameters
    ----------
    handle : int
        Of a file that is open for writing, as network file systems ask for.
    wait : bool
        Whether to wait where somebody else has the lock.

    Returns
    -------
    bool
        Whether it is locked; without `wait`, False where somebody else has the lock.

    Raises
    ------
    OSError
        Where there are no such locks: on Windows, and on some network file systems.
    """
    if sys.platform == "win32":
        raise OSError("no locks that do not keep others from reading")
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True
