"""Files that are whole or not there: written aside, brought to the disk, and only then named."""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import re
import stat
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from skedema._caching.locked import lock

_STRAY_AFTER = 3600.0  # seconds; nothing takes so long to write

# A writer that was killed may leave one. The machine is named because elsewhere, on some network
# file systems, nobody sees its lock.
_TEMPORARY = re.compile(r"[0-9a-f]{32}(-(?P<machine>[0-9a-f]{8}))?\.partial$")


def write_whole(
    path: Path,
    write: Callable[[BinaryIO], object],
    *,
    prefix: str | None = None,
    before_naming: Callable[[], object] = lambda: None,
) -> None:
    """Write a file so that whoever reads at the time, or is killed, has all of it or none.

    Parameters
    ----------
    path : Path
        The file; its folder is made if need be, also when it was removed meanwhile.
    write : callable
        Writes the content. It may be called a second time.
    prefix : str or None, default=None
        What the name of the temporary file begins with, for a `sweep` of what earlier writers left;
        it ends in ``.partial``. Whatever lies at `path` is replaced. None, for a file that a user
        has named: what writers of this very file left is removed here, a link is followed, so that
        the file that it leads to is replaced, and what is no file is refused.
    before_naming : callable, default=nothing
        Called once the content is on the disk, before the file gets its name.

    Raises
    ------
    OSError
        When it cannot be written; it names the file. What was there before is still there, and
        nothing else is.
    """
    if prefix is None:
        path = _file_to_replace(path)
        prefix = f".{_digits(path.name, 16)}-"
        sweep(path.parent, prefix)
    try:
        _write(path, write, prefix, before_naming)
    except FileNotFoundError:  # somebody removed the folder between two steps
        _write(path, write, prefix, before_naming)


def open_file(path: Path) -> BufferedReader | None:
    """Open a file to be read; None for a pipe or a device, which might be waited for for ever."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    handle = os.open(path, flags)
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if stat.S_ISREG(mode):
            return open(handle, "rb")
    except BaseException:
        os.close(handle)
        raise
    os.close(handle)
    return None


def sweep(folder: Path, prefix: str = ".", *, at_once: bool = False) -> None:
    """Remove what writers that were killed left behind.

    A writer that is at work has a lock on its file. Files of other machines, and those on file
    systems without locks, are left for an hour unless it is known that nobody else writes there now
    (`at_once`).
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = _TEMPORARY.search(entry.name)
            if found and entry.name.startswith(prefix):
                with suppress(OSError):
                    _remove_stray(Path(entry.path), found["machine"], at_once)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system can (Windows cannot)."""
    if os.name == "nt":
        return
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _file_to_replace(path: Path) -> Path:
    """Follow a link to the file that is meant, and refuse what no file may take the place of."""
    if path.is_symlink():
        path = Path(os.path.realpath(path))
    try:
        mode = path.lstat().st_mode
    except OSError:
        return path  # there is nothing, or nothing can be written there, which is told later
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "This is a folder; name a file in it", str(path))
    if not stat.S_ISREG(mode):
        what = "This is a device, a pipe or the like, which no file replaces; name another"
        raise OSError(errno.EINVAL, what, str(path))
    return path


def _write(
    path: Path,
    write: Callable[[BinaryIO], object],
    prefix: str,
    before_naming: Callable[[], object],
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f"{prefix}{uuid4().hex}-{_machine()}.partial"
    try:
        with ExitStack() as held:
            # Not mkstemp: others may read what is kept.
            file = held.enter_context(open(temporary, "xb"))
            _claim(file, temporary)
            write(file)
            file.flush()
            os.fsync(file.fileno())
            if sys.platform == "win32":  # where an open file cannot be renamed
                held.close()
            before_naming()
            os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from error  # no temporary name
        raise


def _claim(file: BinaryIO, temporary: Path) -> None:
    """Lock a file that is written, so that nobody takes it for one that was left behind."""
    with suppress(OSError):
        lock(file.fileno(), wait=True)
    if not temporary.exists():  # a sweep came before the lock
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(temporary))


def _remove_stray(stray: Path, machine: str | None, at_once: bool) -> None:
    with ExitStack() as held:
        if machine == _machine() and sys.platform == "win32":
            at_once = True  # it removes no file that is open
        elif machine == _machine():
            with suppress(OSError):  # where there are no locks
                file = held.enter_context(open(stray, "r+b"))
                if not lock(file.fileno(), wait=False):
                    return
                at_once = True
        if at_once or time.time() - stray.stat().st_mtime > _STRAY_AFTER:
            stray.unlink()


def _machine() -> str:
    return _digits(platform.node(), 8)


def _digits(text: str, n: int) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:n]
