"""A journal file that outlives the processes that write it, and a disk that is full."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from typing import Any, BinaryIO

from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from skedema._caching.locked import lock
from skedema.search._failing import cannot_be_written

# Named is the machine: elsewhere, on some network file systems, nobody sees the system's lock.
_OURS = f"skedema on {platform.node()}\n".encode(errors="replace")


class Journal(JournalFileBackend):
    """Optuna's journal file, which says its name where it cannot be written."""

    def __init__(self, path: str) -> None:
        super().__init__(path, lock_obj=JournalLock(path))

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write lines behind those that are there."""
        try:
            super().append_logs(logs)
        except OSError as error:
            error.add_note(cannot_be_written(self._file_path))
            raise


class JournalLock(JournalFileOpenLock):
    """Optuna's lock file, taken over at once from a process that is gone.

    Optuna waits for 30 s for the lock file of a process that was killed. Here its holder has a
    lock of the system's on the journal as well. So who has that one, and finds a lock file of this
    kind, knows that its holder is gone. With Optuna's own locks it keeps apart as they do with each
    other, and where the system has none it is one of them.

    Who has the lock drops a last line that was cut off: the next one, written behind it, would be
    lost as well.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._path = path
        self._journal: BinaryIO | None = None

    def acquire(self) -> bool:
        """Wait for the lock."""
        journal = open(self._path, "a+b")  # noqa: SIM115 (open until it is released)
        try:
            with suppress(OSError):
                lock(journal.fileno(), wait=True)
                if self._is_ours():
                    os.unlink(self._lock_file)
            super().acquire()
            with suppress(OSError), open(self._lock_file, "wb") as file:
                file.write(_OURS)
            _drop_half_line(journal)
        except BaseException:
            journal.close()
            raise
        self._journal = journal
        return True

    def release(self) -> None:
        """Give the lock back."""
        journal, self._journal = self._journal, None
        try:
            os.unlink(self._lock_file)  # Optuna renames it first: a kill in between leaves that
        except OSError as error:
            raise RuntimeError("did not possess the lock") from error
        finally:
            if journal is not None:
                journal.close()

    def _is_ours(self) -> bool:
        with open(self._lock_file, "rb") as file:
            return file.read() == _OURS


def _drop_half_line(journal: BinaryIO) -> None:
    end = journal.seek(0, os.SEEK_END)
    if not end:
        return
    journal.seek(end - 1)
    if journal.read(1) == b"\n":
        return
    journal.seek(0)
    journal.truncate(journal.read().rfind(b"\n") + 1)
