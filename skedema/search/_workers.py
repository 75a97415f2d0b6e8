"""Who works on a study: processes that share it, and those that were killed.

A trial that runs names its worker, and the study says of each worker which process it is. So a
trial whose process is gone can be told from one that another process is at, and is closed: it
would stay "running" for ever, its place in the search taken.
"""

from __future__ import annotations

import os
import platform
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

WORKER = "skedema_worker"  # of a trial; and of the study, with the worker's name behind it
PLACE = "skedema_place"
INTERRUPTED = "skedema_interrupted"


@contextmanager
def worker(study: Study) -> Iterator[str]:
    """Sign a study while trials are run, and close those that nobody is at; gives a name."""
    name = uuid.uuid4().hex
    study.set_user_attr(f"{WORKER}:{name}", _this_process())
    try:
        close_abandoned(study, name)
        yield name
    except BaseException:
        with suppress(Exception):  # a storage that fails is what is told, not what that leads to
            _leave(study, name)
        raise
    _leave(study, name)


def _leave(study: Study, own: str) -> None:
    close_abandoned(study, own, leaving=True)
    study.set_user_attr(f"{WORKER}:{own}", None)


def close_abandoned(
    study: Study, own: str, *, begun: int | None = None, leaving: bool = False
) -> None:
    """Fail the trials whose worker is gone.

    A process that was killed as it began a trial leaves one that names no worker. It is closed
    where no other worker is left that it might be of. `begun` is the number of the trial that this
    worker, `own`, has just begun and not signed yet; `leaving` is whether it goes, too.
    """
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    running = [trial for trial in running if trial.number != begun]
    if not running:
        return
    alive = _alive(study) - ({own} if leaving else set())
    for trial in running:
        of = trial.user_attrs.get(WORKER)
        if of in alive or (of is None and alive - {own}):
            continue
        with suppress(Exception):  # another worker may close it at the same time
            study._storage.set_trial_user_attr(trial._trial_id, INTERRUPTED, True)
            study.tell(trial.number, state=TrialState.FAIL)


def sign(study: Study, trial: FrozenTrial, own: str, place: int) -> None:
    """Note on a trial whose it is, and its place in the search."""
    study._storage.set_trial_user_attr(trial._trial_id, WORKER, own)
    study._storage.set_trial_user_attr(trial._trial_id, PLACE, place)


def counts(trial: FrozenTrial) -> bool:
    """Tell whether a trial came to an end of its own, be it a failed fit, and was not killed."""
    finished = trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
    failed = trial.state is TrialState.FAIL and "error" in trial.user_attrs
    return finished or (failed and INTERRUPTED not in trial.user_attrs)


def _alive(study: Study) -> set[str]:
    """Give the names of workers that are alive, or on another machine, where nobody can look."""
    attributes = study.user_attrs
    return {
        key.partition(":")[2]
        for key, process in attributes.items()
        if key.startswith(f"{WORKER}:") and process is not None and _is_alive(process)
    }


def _this_process() -> dict[str, Any]:
    return {**_machine(), "pid": os.getpid(), "since": _begun(os.getpid())}


def _machine() -> dict[str, str]:
    """Tell this machine since it was started, and this container, from others."""
    found = {"host": platform.node()}
    with suppress(OSError):
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            found["boot"] = file.read().strip()
        found["pids"] = os.readlink("/proc/self/ns/pid")
    return found


def _is_alive(process: dict[str, Any]) -> bool:
    here = _machine()
    if process["host"] == here["host"] and process.get("boot") != here.get("boot"):
        return False  # started again since
    if any(process.get(key) != value for key, value in here.items()):
        return True  # elsewhere: nobody can look
    pid = int(process["pid"])
    if sys.platform == "win32":
        return _is_alive_on_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return bool(_begun(pid) == process["since"])  # not another process that was given the number


def _is_alive_on_windows(pid: int) -> bool:
    if sys.platform == "win32":
        import ctypes

        kernel = ctypes.windll.kernel32
        handle = kernel.OpenProcess(0x1000, False, pid)  # PROCESS_QUERY_LIMITED_INFORMATION
        if not handle:
            return False
        code = ctypes.c_ulong()
        kernel.GetExitCodeProcess(handle, ctypes.byref(code))
        kernel.CloseHandle(handle)
        return bool(code.value == 259)  # STILL_ACTIVE
    return False


def _begun(pid: int) -> str | None:
    """Give when a process began, in ticks of the kernel's clock; None where that is not told."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else fields[19].decode()
