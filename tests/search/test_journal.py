"""Journals of processes that are killed, and on a disk that is full."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest
from optuna.storages.journal import JournalFileOpenLock

from skedema.search._journal import Journal, JournalLock

_HOLDER = """
import sys
from skedema.search._journal import JournalLock

JournalLock(sys.argv[1]).acquire()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "study.journal"
    Journal(str(path)).append_logs([{"op_code": 0}])
    assert os.listdir(tmp_path) == ["study.journal"]
    return path


@pytest.fixture
def holder(path):
    """A process that holds the lock."""
    command = [sys.executable, "-c", _HOLDER, str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="no such locks there")
def test_the_lock_of_a_process_that_was_killed_is_taken_over_at_once(path, holder, monkeypatch):
    holder.kill()
    holder.wait()
    assert path.with_name("study.journal.lock").exists()

    def waits(*_):
        raise AssertionError("waits")

    with monkeypatch.context() as patch:
        patch.setattr("optuna.storages.journal._file.time.sleep", waits)
        Journal(str(path)).append_logs([{"op_code": 1}])
        # That of another machine, and Optuna's own, are waited for as Optuna does.
        for content in ("skedema on another\n", ""):
            path.with_name("study.journal.lock").write_text(content)
            with pytest.raises((AssertionError, RuntimeError), match="waits"):
                JournalLock(str(path)).acquire()
    assert path.read_bytes() == b'{"op_code":0}\n{"op_code":1}\n'


def test_who_holds_the_lock_keeps_others_and_optunas_own_from_it(path):
    first = JournalLock(str(path))
    first.acquire()
    theirs = JournalFileOpenLock(str(path), grace_period=None)
    with pytest.raises(FileExistsError):
        os.close(os.open(theirs._lock_file, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    first.release()
    theirs.acquire()
    theirs.release()
    assert os.listdir(path.parent) == ["study.journal"]


def test_a_line_that_a_killed_process_began_does_not_spoil_the_next_one(path):
    backend = Journal(str(path))
    with path.open("ab") as journal:
        journal.write(b'{"op_code":4,"worker_id":"x')
    backend.append_logs([{"op_code": 2}])
    assert [each["op_code"] for each in backend.read_logs(0)] == [0, 2]
    path.write_bytes(b'{"op_')
    backend.append_logs([{"op_code": 3}])
    assert path.read_bytes() == b'{"op_code":3}\n'


def test_a_journal_on_a_full_disk_is_named_and_stays_whole(path, monkeypatch):
    backend = Journal(str(path))

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space left") as no:
            backend.append_logs([{"op_code": 5}])
    assert f"The study in {path} cannot be written" in no.value.__notes__[0]
    assert os.listdir(path.parent) == ["study.journal"]
