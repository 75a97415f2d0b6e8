"""Where the files of a DICOM series lie: a folder, a zip, a list of paths or one file."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from skedema.scans._budget import DEFAULT_MAX_BYTES, or_allow
from skedema.scans.dicom._stream import Allowance, Directory
from skedema.scans.errors import ScanError

#: Most files looked at, and folders within one another: an exam has hundreds, an archive millions.
MAX_FILES = 20_000
MAX_DEPTH = 10

# Bytes of memory for each byte of a header that is read: 23 as pydicom gives it, more once the
# values are looked up.
_HEADER_COST = 32


class DicomFile(NamedTuple):
    """A file that may be DICOM: what messages call it, how it is opened, and by whom it is named.

    `given` says that the user named it, rather than a folder or a zip that it was found in.
    `headers` is what may still be read of headers, of all files of the cell together.
    """

    label: str
    open: Callable[[], IO[bytes]]
    given: bool
    headers: Allowance


@contextmanager
def dicom_files(
    cell: object, name: str, max_bytes: int = DEFAULT_MAX_BYTES
) -> Iterator[list[DicomFile]]:
    """List the files of a cell in the order of their paths, for as long as they are read.

    A cell is a folder (searched with the folders in it), a zip, a file, or several files.
    `max_bytes` bounds each file, all files of a zip together, and the memory for their headers.
    """
    paths = file_paths(cell)
    headers = Allowance(
        max_bytes // _HEADER_COST,
        "has headers that are too long for its scan to be one; give the folder of one exam"
        f"{or_allow(2 * max_bytes)}",
    )
    if is_zip(cell):
        import zipfile

        with Directory(open(paths[0], "rb", buffering=0)) as file:
            file.most_members = 2 * MAX_FILES  # folders count here
            with zipfile.ZipFile(file) as archive:
                file.most_members = None
                yield _members(archive, max_bytes, headers)
        return
    folder = paths and not isinstance(cell, list | tuple) and os.path.isdir(_path(cell))
    files = []
    for path in paths:
        label = os.path.relpath(path, _path(cell)) if folder else path
        label = name if len(paths) == 1 and not folder else label
        files.append(DicomFile(label, _opener(path, max_bytes), not folder, headers))
    yield files


def is_zip(cell: object) -> bool:
    """Say whether a cell is a zip, by its name."""
    if not isinstance(cell, str | os.PathLike):
        return False
    path = _path(cell)
    return path.lower().endswith(".zip") and not os.path.isdir(path)


def file_paths(cell: object) -> list[str]:
    """List the regular files of a cell: sorted in a folder, as given in a list; a zip is one."""
    if isinstance(cell, list | tuple):
        if not cell:
            raise ScanError("an empty list of files; give the paths of the slices of one series")
        return [_regular(_path(one)) for one in _at_most(cell)]
    path = _path(cell)
    return _walk(path) if os.path.isdir(path) else [_regular(path)]


def _path(cell: Any) -> str:
    if not isinstance(cell, str | os.PathLike):
        raise ScanError(f"{cell!r:.60} is not a path; give the paths of the slices of one series")
    return os.fsdecode(cell)


def _regular(path: str) -> str:
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:  # a NUL character is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise ScanError(f"{path}: cannot be opened ({reason}); correct the path") from error
    if stat.S_ISDIR(status.st_mode):
        raise ScanError(f"{path}: is a folder; give files, or one folder in place of the list")
    if not stat.S_ISREG(status.st_mode):
        raise ScanError(f"{path}: is no regular file; give the paths of the slices of one series")
    return path


def _walk(folder: str) -> list[str]:
    def fail(error: OSError) -> None:
        raise ScanError(
            f"{error.filename}: cannot be listed ({error.strerror}); allow reading it"
        ) from error

    paths: list[str] = []
    for where, folders, names in os.walk(folder, onerror=fail):
        depth = len(Path(where).relative_to(folder).parts)
        if folders and depth >= MAX_DEPTH:
            raise ScanError(f"has folders {MAX_DEPTH} deep; give the folder of one exam")
        full = (os.path.join(where, name) for name in names)
        # A pipe would block for ever; a link that leads nowhere is nothing to read.
        paths.extend(path for path in full if os.path.isfile(path))
        _at_most(paths)
    if not paths:
        raise ScanError("is a folder without files; give the folder that holds the slices")
    return sorted(paths)


def _at_most(paths: Sequence[Any]) -> Sequence[Any]:
    if len(paths) > MAX_FILES:
        raise ScanError(f"holds more than {MAX_FILES} files; give the folder of one exam")
    return paths


def _opener(path: str, max_bytes: int) -> Callable[[], IO[bytes]]:
    def opened() -> IO[bytes]:
        size = os.path.getsize(path)
        if size > max_bytes:
            raise ScanError(
                f"{path}: has {size} bytes, more than {max_bytes}; give slices of one exam"
                f"{or_allow(2 * size)}"
            )
        return open(path, "rb")

    return opened


def _members(archive: Any, max_bytes: int, headers: Allowance) -> list[DicomFile]:
    """List what a zip holds; read in memory, so that its names never reach the disk."""
    members = [info for info in archive.infolist() if not info.is_dir()]
    _at_most(members)
    total = sum(info.file_size for info in members)
    if total > max_bytes:
        raise ScanError(
            f"unpacks to {total} bytes, more than {max_bytes}; give a zip of one exam, or a folder"
            f"{or_allow(2 * total)}"  # from two bytes a pixel to four
        )
    if any(info.flag_bits & 1 for info in members):
        raise ScanError("is encrypted; unpack it and give the folder")
    if any(info.compress_type not in (0, 8) for info in members):  # the others know no bounds
        raise ScanError("is neither stored nor deflated; unpack it and give the folder")

    def opener(info: Any) -> Callable[[], IO[bytes]]:
        return lambda: archive.open(info)  # gives no more bytes than the size it states

    members.sort(key=lambda info: info.filename)
    return [DicomFile(info.filename, opener(info), False, headers) for info in members]
