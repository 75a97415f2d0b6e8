"""Paths of scans, and what may be wrong with them before a file is opened."""

from __future__ import annotations

import errno
import os
import stat

from skedema.scans.errors import ScanError, refused_by_system


def is_list_of_paths(value: object) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) > 0
        and all(isinstance(item, str | os.PathLike) for item in value)
    )


def existing(cell: object, name: str) -> tuple[str, bool]:
    """Give the path of a file or folder that is there, and whether it is a folder."""
    if not isinstance(cell, str | os.PathLike):
        raise ScanError(
            f"{name}: not a scan; give a path, a nibabel image or a 3-D array of numbers"
        )
    path = os.fsdecode(cell)
    if not path.strip():
        raise ScanError("empty path; give the path of a scan, or None where there is no scan")
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError as error:
        where = "" if os.path.isabs(path) else f" (looked in {os.getcwd()})"
        if os.path.islink(path):
            where = f"; it is a link to {os.readlink(path)}"
        raise ScanError(f"{name}: there is no such file; correct the path{where}") from error
    except ValueError as error:
        raise ScanError(f"{name}: no path is like this ({error}); correct it") from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ScanError(
                f"{name}: a symbolic link that leads back to itself; link to the scan, or give "
                "its path"
            ) from error
        raise refused_by_system(name, error) from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise ScanError(
            f"{name}: is neither a file nor a folder but a device, pipe or socket; copy the scan "
            "into a file and give its path"
        )
    return path, stat.S_ISDIR(mode)


def file_key(path: str) -> tuple[str, tuple[int, ...], int]:
    """Tell a file by its place, its identity and its size, in one look at it."""
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f"{path} is no regular file")
    return os.path.abspath(path), identity_of(status), status.st_size


def identity_of(status: os.stat_result) -> tuple[int, ...]:
    """Tell a file from one that took its place, whatever time and size that was given.

    By when it was written and changed (ns), and its number. The time of change is the system's
    own: setting the time of writing back, as ``cp -p`` and ``rsync -t`` do, sets it. (On Windows
    it is when the file was made.) The number of the device is not there, for it may be another
    one after the next start.
    """
    return status.st_mtime_ns, status.st_ctime_ns, status.st_ino
