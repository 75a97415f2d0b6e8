from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys

import pytest

from skedema._caching import whole_files
from skedema._caching.whole_files import open_file, sweep, write_whole


def test_a_file_is_written_over_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "a" / "b" / "file"
    for content in (b"one", b"two"):
        write_whole(path, lambda file, content=content: file.write(content))
        assert path.read_bytes() == content
    assert os.listdir(path.parent) == ["file"]


@pytest.mark.parametrize("name", ["builtins.open", "os.fsync", "os.replace", "pathlib.Path.mkdir"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
def test_what_fails_leaves_what_was_there(tmp_path, monkeypatch, name, number):
    path = tmp_path / "file"
    path.write_bytes(b"before")

    def fail(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(name, fail)
        with pytest.raises(OSError, match=os.strerror(number)):
            write_whole(path, lambda file: file.write(b"after"))
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["file"]


def test_an_interrupt_leaves_what_was_there(tmp_path):
    def interrupted(file):
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "file", interrupted)
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_removed_meanwhile_is_made_again(tmp_path):
    path, calls = tmp_path / "folder" / "file", []

    def remove():
        calls.append(None)
        if len(calls) == 1:
            shutil.rmtree(path.parent)

    write_whole(path, lambda file: file.write(b"content"), before_naming=remove)
    assert path.read_bytes() == b"content"
    assert len(calls) == 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_nobody_waits_for_a_pipe_or_reads_a_device(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    os.symlink("/dev/zero", tmp_path / "device")
    assert open_file(tmp_path / "pipe") is None
    assert open_file(tmp_path / "device") is None
    write_whole(tmp_path / "pipe", lambda file: file.write(b"content"), prefix=".")
    with open_file(tmp_path / "pipe") as file:
        assert file.read() == b"content"


def test_a_link_is_followed_and_its_file_replaced(tmp_path):
    target, link = tmp_path / "there" / "file", tmp_path / "link"
    target.parent.mkdir()
    os.symlink(os.path.join("there", "file"), link)
    for content in (b"one", b"two"):  # before there is a file, and after
        write_whole(link, lambda file, content=content: file.write(content))
        assert link.is_symlink()
        assert target.read_bytes() == content
    assert sorted(os.listdir(tmp_path)) == ["link", "there"]
    assert os.listdir(target.parent) == ["file"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_what_is_no_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    os.symlink(tmp_path / "pipe", tmp_path / "to_pipe")
    os.symlink(tmp_path / "loop", tmp_path / "loop")
    (tmp_path / "folder").mkdir()
    before = sorted(os.listdir(tmp_path))
    for name, told in (
        ("pipe", "a device, a pipe or the like"), ("to_pipe", "a device, a pipe or the like"),
        ("loop", "a device, a pipe or the like"), ("folder", "This is a folder; name a file in it"),
    ):  # fmt: skip
        with pytest.raises(OSError, match=told):
            write_whole(tmp_path / name, lambda file: file.write(b"content"))
    assert sorted(os.listdir(tmp_path)) == before
    assert (tmp_path / "pipe").is_fifo()


def test_what_cannot_be_opened_is_an_error_of_the_system(tmp_path):
    os.symlink(tmp_path / "loop", tmp_path / "loop")
    for path in (tmp_path, tmp_path / "none", tmp_path / "loop"):
        with pytest.raises(OSError, match=str(path)):
            open_file(path)


HEX = "0123456789abcdef" * 2


def test_sweeping_takes_old_temporary_files_alone(tmp_path):
    old, new = f".{HEX}.partial", f".new-{HEX}-00000000.partial"
    names = [old, new, ".download.partial", f"mine-{HEX}.partial", f".{HEX}"]
    for name in names:
        (tmp_path / name).touch()
        if name != new:
            os.utime(tmp_path / name, (0, 0))
    sweep(tmp_path, ".another-")
    assert sorted(os.listdir(tmp_path)) == sorted(names)
    sweep(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted(names[1:])  # of another machine, and new
    sweep(tmp_path, at_once=True)
    assert sorted(os.listdir(tmp_path)) == sorted(names[2:])
    sweep(tmp_path / "none")


_WRITER = """
import sys, time
from pathlib import Path
from skedema._caching.whole_files import write_whole

def write(file):
    file.write(b"half")
    print("writing", flush=True)
    if sys.stdin.readline():
        file.write(b", whole")

write_whole(Path(sys.argv[1]), write)
"""


@pytest.fixture
def writer(tmp_path):
    """A process that has written half of a file."""
    command = [sys.executable, "-c", _WRITER, str(tmp_path / "file")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout.readline() == "writing\n"
        yield process
        process.kill()


def test_nothing_of_a_writer_that_lives_is_removed(tmp_path, writer):
    [aside] = tmp_path.iterdir()
    os.utime(aside, (0, 0))
    sweep(tmp_path)
    sweep(tmp_path, at_once=True)
    write_whole(tmp_path / "file", lambda file: file.write(b"another's"))
    assert sorted(tmp_path.iterdir()) == sorted([aside, tmp_path / "file"])
    writer.communicate("go on\n")
    assert writer.returncode == 0
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"half, whole"}


def test_what_a_killed_writer_left_goes_with_the_next_one_of_that_file(tmp_path, writer):
    writer.kill()
    writer.wait()
    write_whole(tmp_path / "another", lambda file: file.write(b"content"))
    assert len(list(tmp_path.iterdir())) == 2
    write_whole(tmp_path / "file", lambda file: file.write(b"content"))
    assert sorted(os.listdir(tmp_path)) == ["another", "file"]


def test_where_there_are_no_locks_a_file_is_left_for_an_hour(tmp_path, writer, monkeypatch):
    def none(*args, **kwargs):
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    writer.kill()
    writer.wait()
    monkeypatch.setattr("skedema._caching.whole_files.lock", none)
    write_whole(tmp_path / "file", lambda file: file.write(b"content"))
    assert len(list(tmp_path.iterdir())) == 2
    for path in tmp_path.iterdir():
        os.utime(path, (0, 0))
    write_whole(tmp_path / "file", lambda file: file.write(b"content"))
    assert os.listdir(tmp_path) == ["file"]


def test_a_sweep_that_comes_before_the_lock_is_noticed(tmp_path, monkeypatch):
    lock, calls = whole_files.lock, []

    def swept_before(handle, *, wait):
        calls.append(handle)
        if len(calls) == 1:
            for path in tmp_path.iterdir():
                path.unlink()
        return lock(handle, wait=wait)

    monkeypatch.setattr(whole_files, "lock", swept_before)
    write_whole(tmp_path / "file", lambda file: file.write(b"content"))
    assert (tmp_path / "file").read_bytes() == b"content"
    assert len(calls) == 2
