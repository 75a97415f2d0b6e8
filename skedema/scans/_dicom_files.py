"""Where the files of a DICOM series lie: a folder, a zip, a list of paths or one file."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from skedema.scans.errors import ScanError

#: Most files looked at, and folders within one another: an exam has hundreds, an archive millions.
MAX_FILES = 20_000
MAX_DEPTH = 10

#: Most bytes that a file, and all files of a zip together, may unpack to: an exam of 2,000 slices
#: of 512 x 512 has 1 GiB.
MAX_BYTES = 2**31


class DicomFile(NamedTuple):
    """A file that may be DICOM: what messages call it, how it is opened, and by whom it is named.

    `given` says that the user named it, rather than a folder or a zip that it was found in.
    """

    label: str
    open: Callable[[], IO[bytes]]
    given: bool


@contextmanager
def dicom_files(cell: object, name: str) -> Iterator[list[DicomFile]]:
    """List the files of a cell, for as long as they are read.

    Parameters
    ----------
    cell : str, path, or list or tuple of these
        A folder (searched with the folders in it), a zip, a file, or several files.
    name : str
        What messages call the cell.

    Yields
    ------
    list of DicomFile
        In the order of their paths.

    Raises
    ------
    ScanError
        If there is no such file, or too many or too large ones.
    """
    paths = file_paths(cell)
    if is_zip(cell):
        import zipfile

        with zipfile.ZipFile(paths[0]) as archive:
            yield _members(archive)
        return
    folder = paths and not isinstance(cell, list | tuple) and os.path.isdir(_path(cell))
    files = []
    for path in paths:
        label = os.path.relpath(path, _path(cell)) if folder else path
        label = name if len(paths) == 1 and not folder else label
        files.append(DicomFile(label, _opener(path), not folder))
    yield files


def is_zip(cell: object) -> bool:
    """Say whether a cell is a zip, by its name.

    Parameters
    ----------
    cell : object
        As in `dicom_files`.

    Returns
    -------
    bool
        True for a path that ends in .zip and is no folder.
    """
    if not isinstance(cell, str | os.PathLike):
        return False
    path = _path(cell)
    return path.lower().endswith(".zip") and not os.path.isdir(path)


def file_paths(cell: object) -> list[str]:
    """List the paths of a cell's files; a zip is one.

    Parameters
    ----------
    cell : str, path, or list or tuple of these
        As in `dicom_files`.

    Returns
    -------
    list of str
        Regular files, sorted in a folder, in the order given in a list.

    Raises
    ------
    ScanError
        If there is no such file, or too many.
    """
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


def _opener(path: str) -> Callable[[], IO[bytes]]:
    def opened() -> IO[bytes]:
        if os.path.getsize(path) > MAX_BYTES:
            raise ScanError(f"{path}: larger than {MAX_BYTES} bytes; give slices of one exam")
        return open(path, "rb")

    return opened


def _members(archive: Any) -> list[DicomFile]:
    """List what a zip holds; read in memory, so that its names never reach the disk."""
    members = [info for info in archive.infolist() if not info.is_dir()]
    _at_most(members)
    total = sum(info.file_size for info in members)
    if total > MAX_BYTES:
        raise ScanError(
            f"unpacks to {total} bytes, more than {MAX_BYTES}; give a zip of one exam, or a folder"
        )
    if any(info.flag_bits & 1 for info in members):
        raise ScanError("is encrypted; unpack it and give the folder")

    def opener(info: Any) -> Callable[[], IO[bytes]]:
        return lambda: archive.open(info)  # gives no more bytes than the size it states

    members.sort(key=lambda info: info.filename)
    return [DicomFile(info.filename, opener(info), given=False) for info in members]
