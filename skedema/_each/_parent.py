"""Workers end with the process that started them, however that ended."""

from __future__ import annotations

import os
import time
from threading import Thread

_SECONDS = 1.0  # between looks


def end_with(parent: int) -> None:
    """End this process soon after its parent, also in the middle of a computation.

    A killed process cannot tell its children, and these would wait for tasks, or go on with one,
    and hold their memory. Linux could send a signal (``PR_SET_PDEATHSIG``), but does so when the
    *thread* ends that started a process, while the workers are kept for later calls. On Windows a
    child is not told of it, and one that has nothing to do ends by itself after some minutes.
    """
    if os.name == "posix":
        Thread(target=_watch, args=(parent,), name="watch the parent", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:  # an orphan is given another
        time.sleep(_SECONDS)
    os._exit(1)
