"""Kill work at random moments, make the same call again, and compare."""

from __future__ import annotations

import os
import pickle
import random
import shutil
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib

from benchmarks.faults._rows import Row


def _nothing(folder: Path) -> int:
    return 0


@dataclass(frozen=True)
class Work:
    """Work in a folder, which the same call goes on with.

    Attributes
    ----------
    call : callable
        Does the work in a folder, and gives what is compared: arrays, numbers, texts in lists,
        tuples and dicts. It runs in a fork of this process, and one made in it before is given
        `warm`, so that a kill takes milliseconds and not the seconds of an import.
    finished : callable
        How many units were finished in a folder so far, those that were done twice counted twice.
        See `Log`.
    unit : str
        What is counted, in the plural.
    left : callable
        What else than files is left in a folder after the next start, such as running trials.
    """

    call: Callable[[Path], Any]
    finished: Callable[[Path], int] = _nothing
    unit: str = ""
    left: Callable[[Path], int] = _nothing


@dataclass
class Tally:
    """What became of the injections.

    Attributes
    ----------
    equal : list of bool
        Whether the end was that of the undisturbed work; False where the next call failed.
    done, lost : list of int
        Units finished before the kill, and units that were finished again after it.
    files, others : list of int
        What was left behind: files that the undisturbed work does not leave, and `Work.left`.
    """

    equal: list[bool]
    done: list[int]
    lost: list[int]
    files: list[int]
    others: list[int]

    def row(self, fault: str, of: str, unit: str, others: str = "") -> Row:
        """Give the row of the table; `others` is what `Work.left` counts."""
        n, lost = len(self.equal), ""
        if unit:
            lost = f"{sum(self.lost)} of {sum(self.done)} {unit}, at most {max(self.lost)} a time"
        left = f"{sum(self.files)} files"
        if others:
            left += f", {sum(self.others)} {others}"
        return Row(fault, of, n, sum(self.equal), lost, left)


class Log:
    """Units that were finished, a line each in a file; of this process and those it starts.

    The file is named by the environment, so that no estimator has it as a parameter, by which what
    is kept of it would be told apart.
    """

    _KEY = "SKEDEMA_FAULTS_LOG"

    @classmethod
    def begin(cls, folder: Path) -> None:
        """Log in a folder from now on."""
        folder.mkdir(parents=True, exist_ok=True)
        os.environ[cls._KEY] = str(folder / "finished.log")

    @classmethod
    def finished(cls) -> None:
        """Note that a unit is finished."""
        if path := os.environ.get(cls._KEY):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.write(handle, b"1\n")
            os.close(handle)

    @classmethod
    def count(cls, folder: Path) -> int:
        """Tell how many units were noted in a folder."""
        with suppress(FileNotFoundError):
            return (folder / "finished.log").read_bytes().count(b"\n")
        return 0


def kill_at_random(work: Work, injections: int, folder: Path, seed: int = 0) -> Tally:
    """Kill work so often, each time in a folder of its own beneath `folder`, and go on.

    The moment is after a random number of finished units, and a random part of a unit later; of
    work without units it is a random part of the whole time.
    """
    draw = random.Random(seed)
    whole = folder / "whole"
    start = time.perf_counter()
    undisturbed = _begun(work, whole)
    expected, failed = _finished(undisturbed)
    seconds = time.perf_counter() - start
    if failed:
        raise RuntimeError(f"The work fails undisturbed:\n{undisturbed.said.read_text()}")
    n_units = work.finished(whole)
    tally = Tally([], [], [], [], [])
    for number in range(10 * injections):
        if len(tally.equal) == injections:
            break
        killed = folder / f"killed-{number}"
        process = _begun(work, killed)
        if n_units:
            _wait_for(draw.randrange(n_units), work, killed, process)
        time.sleep(draw.random() * seconds / max(n_units, 1))
        os.kill(process.pid, signal.SIGKILL)
        if os.WIFSIGNALED(process.wait()):
            done = work.finished(killed)
            found, failed = _finished(_begun(work, killed))
            process.end_orphans()
            tally.equal.append(not failed and joblib.hash(found) == joblib.hash(expected))
            tally.done.append(done)
            tally.lost.append(max(work.finished(killed) - n_units, 0))
            tally.files.append(len(_names(killed) - _names(whole)))
            tally.others.append(work.left(killed))
        shutil.rmtree(killed, ignore_errors=True)
    return tally


@dataclass
class _Process:
    pid: int
    result: Path
    said: Path
    status: int | None = None

    def wait(self) -> int:
        if self.status is None:
            self.status = os.waitpid(self.pid, 0)[1]
        return self.status

    def has_ended(self) -> bool:
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = status if pid else None
        return self.status is not None

    def end_orphans(self) -> None:
        """End the processes that it started and has left."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


def _begun(work: Work, folder: Path) -> _Process:
    """Do work in a fork of this process, in a group of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    result, said = (folder.parent / f"{folder.name}.{each}" for each in ("result", "said"))
    pid = os.fork()
    if not pid:
        try:
            os.setpgid(0, 0)
            os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
            result.write_bytes(pickle.dumps(work.call(folder)))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    with suppress(OSError):  # whoever is first
        os.setpgid(pid, pid)
    return _Process(pid, result, said)


def _finished(process: _Process) -> tuple[Any, bool]:
    """Wait for work; gives what it gave, and whether it failed."""
    if process.wait() != 0:
        return None, True
    process.end_orphans()
    found = pickle.loads(process.result.read_bytes())
    process.result.unlink()
    return found, False


def _wait_for(n_units: int, work: Work, folder: Path, process: _Process) -> None:
    while work.finished(folder) < n_units and not process.has_ended():
        time.sleep(0.001)


def _names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
