"""Who works on a study: processes that share it, and those that were killed.

A trial that runs names its worker, and the study says of each worker which process it is. So a
trial whose process is gone can be told from one that another process is at, and is closed: it
would stay "running" for ever, its place in the search taken. Where nobody can look at the process,
on another machine, the heartbeat tells.
"""

from __future__ import annotations

import os
import platform
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

from optuna.storages import InMemoryStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from skedema.search._heartbeat import Heartbeat

WORKER = "skedema_worker"  # of a trial; and of the study, with the worker's name behind it
PLACE = "skedema_place"
INTERRUPTED = "skedema_interrupted"

_here: set[str] = set()  # workers of this process that are at work


class Worker:
    """A process at one search of a study: this one."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.name = uuid.uuid4().hex
        self.at: int | None = None  # number of the trial it was last at
        self.heartbeat = Heartbeat(self._write, self._found)

    def close_abandoned(self, *, begun: int | None = None) -> None:
        """Fail the trials whose worker is gone, and those that this one has lost.

        A process that was killed as it began a trial leaves one that names no worker. It is closed
        where no other worker is left that it might be of, or where it stays without one. `begun`
        is the number of the trial that this worker has just begun.
        """
        running = [trial for trial in running_trials(self.study) if trial.number != begun]
        if not running:
            return
        others = self._alive() - {self.name}
        for trial in running:
            of = trial.user_attrs.get(WORKER)
            if of in others or (of is None and others and not self.heartbeat.stopped(_key(trial))):
                continue
            self.close(trial)

    def close(self, trial: FrozenTrial) -> None:
        """End a trial so that its place is free."""
        with suppress(Exception):  # another worker may close it at the same time
            self.study._storage.set_trial_user_attr(trial._trial_id, INTERRUPTED, True)
            self.study.tell(trial.number, state=TrialState.FAIL)

    def sign(self, trial: FrozenTrial, place: int) -> None:
        """Note on a trial whose it is, and its place in the search."""
        self.at = trial.number
        self.study._storage.set_trial_user_attr(trial._trial_id, WORKER, self.name)
        self.study._storage.set_trial_user_attr(trial._trial_id, PLACE, place)

    def was_closed(self) -> bool:
        """Tell whether the last trial was closed while this worker was at it."""
        trials = self.study.get_trials(deepcopy=False, states=(TrialState.FAIL,))
        return any(t.number == self.at and INTERRUPTED in t.user_attrs for t in trials)

    def _alive(self) -> set[str]:
        # One of this process may have come to an end and not been able to write so.
        here = _this_process().items()
        return {
            name
            for name, process in _workers(self.study).items()
            if (
                name in _here
                if here <= process.items()
                else _is_alive(process, stopped=self.heartbeat.stopped(name))
            )
        }

    def _write(self, beat: int | None) -> None:
        process = None if beat is None else {**_this_process(), "beat": beat}
        self.study.set_user_attr(f"{WORKER}:{self.name}", process)

    def _found(self) -> dict[str, int | None]:
        beats = {name: process.get("beat") for name, process in _workers(self.study).items()}
        unsigned = (t for t in running_trials(self.study) if WORKER not in t.user_attrs)
        return beats | {_key(trial): None for trial in unsigned}


@contextmanager
def worker(study: Study) -> Iterator[Worker]:
    """Sign a study while trials are run, and close those that nobody is at."""
    own = Worker(study)
    in_memory = isinstance(study._storage, InMemoryStorage)  # of this process alone
    own._write(0)
    _here.add(own.name)
    try:
        with nullcontext() if in_memory else own.heartbeat.beating():
            own.close_abandoned()
            yield own
    except BaseException:
        with suppress(Exception):  # a storage that fails is what is told, not what that leads to
            _leave(own)
        raise
    else:
        _leave(own)
    finally:
        _here.discard(own.name)


def _leave(own: Worker) -> None:
    own.close_abandoned()
    own._write(None)


def running_trials(study: Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))


def counts(trial: FrozenTrial) -> bool:
    """Tell whether a trial came to an end of its own, be it a failed fit, and was not killed."""
    finished = trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
    failed = trial.state is TrialState.FAIL and "error" in trial.user_attrs
    return finished or (failed and INTERRUPTED not in trial.user_attrs)


def _workers(study: Study) -> dict[str, dict[str, Any]]:
    return {
        key.partition(":")[2]: process
        for key, process in study.user_attrs.items()
        if key.startswith(f"{WORKER}:") and process is not None
    }


def _key(trial: FrozenTrial) -> str:
    return f"trial {trial.number}"


def _this_process() -> dict[str, Any]:
    return {**_machine(), "pid": os.getpid(), "since": _begun(os.getpid())}


def _machine() -> dict[str, str]:
    """Tell this machine since it was started, and this container, from others.

    Machines that were made alike have one name: they are told apart by their network hardware.
    """
    found = {"host": platform.node(), "hardware": f"{uuid.getnode():012x}"}
    with suppress(OSError):
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            found["boot"] = file.read().strip()
        found["pids"] = os.readlink("/proc/self/ns/pid")
    return found


def _is_alive(process: dict[str, Any], *, stopped: bool) -> bool:
    here = _machine()

    def same(*keys: str) -> bool:
        return all(process.get(key) == here.get(key) for key in keys)

    if same("host", "hardware") and not same("boot"):
        return False  # started again since
    if not same("host", "boot", "pids" if "pids" in here else "hardware"):
        return not stopped  # elsewhere: nobody can look
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
