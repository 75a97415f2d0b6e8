"""Files that are whole or not there: written aside, brought to the disk, and only then named."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

_STRAY_AFTER = 3600.0  # seconds; nothing takes so long to write


def write_whole(
    path: Path,
    write: Callable[[BinaryIO], object],
    *,
    prefix: str = ".",
    before_naming: Callable[[], object] = lambda: None,
) -> None:
    """Write a file so that whoever reads at the time, or is killed, has all of it or none.

    Parameters
    ----------
    path : Path
        The file; its folder is made if need be, also when it was removed meanwhile.
    write : callable
        Writes the content. It may be called a second time.
    prefix : str, default="."
        What the name of the temporary file begins with; it ends in ``.partial``.
    before_naming : callable, default=nothing
        Called once the content is on the disk, before the file gets its name.

    Raises
    ------
    OSError
        When it cannot be written. What was there before is still there, and nothing else is.
    """
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


def sweep(folder: Path, pattern: str = ".*.partial", *, at_once: bool = False) -> None:
    """Remove what writers that were killed left behind.

    Files are left for an hour, for their writers may be at work, unless it is known that nobody
    else writes there now (`at_once`).
    """
    with suppress(OSError):
        for stray in folder.glob(pattern):
            with suppress(OSError):
                if at_once or time.time() - stray.stat().st_mtime > _STRAY_AFTER:
                    stray.unlink()


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


def _write(
    path: Path,
    write: Callable[[BinaryIO], object],
    prefix: str,
    before_naming: Callable[[], object],
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f"{prefix}{uuid4().hex}.partial"
    try:
        with open(temporary, "xb") as file:  # not mkstemp: others may read what is kept
            write(file)
            file.flush()
            os.fsync(file.fileno())
        before_naming()
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
