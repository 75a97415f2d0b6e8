from __future__ import annotations

import errno
import os
import shutil

import pytest

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
    write_whole(tmp_path / "pipe", lambda file: file.write(b"content"))
    with open_file(tmp_path / "pipe") as file:
        assert file.read() == b"content"


def test_what_cannot_be_opened_is_an_error_of_the_system(tmp_path):
    os.symlink(tmp_path / "loop", tmp_path / "loop")
    for path in (tmp_path, tmp_path / "none", tmp_path / "loop"):
        with pytest.raises(OSError, match=str(path)):
            open_file(path)


def test_sweeping_takes_old_temporary_files_alone(tmp_path):
    names = [".old.partial", ".new.partial", "mine.partial", ".mine"]
    for name in names:
        (tmp_path / name).touch()
        if name != ".new.partial":
            os.utime(tmp_path / name, (0, 0))
    sweep(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted(names[1:])
    sweep(tmp_path, at_once=True)
    assert sorted(os.listdir(tmp_path)) == sorted(names[2:])
    sweep(tmp_path / "none")
