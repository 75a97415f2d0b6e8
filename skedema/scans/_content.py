"""Scans known by what is in their files."""

from __future__ import annotations

import os
import stat
from functools import lru_cache
from typing import Any

from skedema._caching.digest import file_digest

# One file is the whole scan. Others may have their voxels in a file beside it, so that two of the
# same content may be two scans.
WHOLE_SCANS = (".nii.gz", ".nii", ".npy", ".nrrd", ".mgz")
_MOST_BYTES = 2**30  # a larger file takes longer to hash than a scan may take to be refused


def by_content(key: tuple[Any, ...]) -> tuple[Any, ...]:
    """Identify a scan by what is in its file, in place of where and when that was written.

    Parameters
    ----------
    key : tuple
        As `scan_key` gives it.

    Returns
    -------
    tuple
        With the digest of the file where one file is the whole scan; else the key as it is.
    """
    match key:
        case ("file", str(path), _, int(), *rest):
            suffix = next((s for s in WHOLE_SCANS if path.lower().endswith(s)), None)
            digest = content_digest(path) if suffix else None
            return ("content", suffix, digest, *rest) if digest else key
    return key


def content_digest(path: str | os.PathLike[str]) -> str | None:
    """Give the SHA-256 of a file, computed once a process while the file stays as it is.

    Hashing 5 MB takes 3 ms, or 10 ms on a processor without instructions for SHA-256.

    Parameters
    ----------
    path : path
        A file.

    Returns
    -------
    str or None
        In hexadecimal. None where it cannot be read, is no regular file or is above 1 GiB.
    """
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MOST_BYTES:
            return None
        return _hash_file(os.path.abspath(path), identity_of(status), status.st_size)
    except OSError:
        return None


def identity_of(status: os.stat_result) -> tuple[int, ...]:
    """Tell a file from one that took its place, whatever time and size that was given.

    Parameters
    ----------
    status : os.stat_result
        Of what a path leads to, links followed.

    Returns
    -------
    tuple of int
        When it was written and changed (ns), and the number of the file. The time of change is the
        system's own: setting the time of writing back, as ``cp -p`` and ``rsync -t`` do, sets it.
        (On Windows it is when the file was made.) The number of the device is not there, for it
        may be another one after the next start.
    """
    return status.st_mtime_ns, status.st_ctime_ns, status.st_ino


@lru_cache(maxsize=2**16)
def _hash_file(path: str, identity: tuple[int, ...], size: int) -> str:
    return file_digest(path)
