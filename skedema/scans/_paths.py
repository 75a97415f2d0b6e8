"""Paths of scans, and what may be wrong with them before a file is opened."""

from __future__ import annotations

import errno
import os
import stat

from skedema.scans._checks import refused_by_system
from skedema.scans.errors import ScanError


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
