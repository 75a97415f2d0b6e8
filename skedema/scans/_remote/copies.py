"""Copies of remote files in a folder: whole or not there, verified whenever they are used."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache
from pathlib import Path, PurePosixPath

from skedema._caching.bound import bound_of
from skedema._caching.digest import digest
from skedema._caching.whole_files import sweep, write_whole
from skedema._told import tell
from skedema.scans._digests import digest_at
from skedema.scans._paths import file_key
from skedema.scans._remote.store import Found, fetch
from skedema.scans.errors import ScanError


class Copies:
    """Copies in ``skedema/remote`` of a folder, bounded with all else there (`Bound`).

    A copy is named by the SHA-256 of where the file lies, its size and version, so that one that
    was written anew is another; beside it lies the SHA-256 of its content, in a file that may stay
    after the copy had to go.

    Parameters
    ----------
    folder : Path
        Absolute. Made when the first file is fetched.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "skedema" / "remote"
        self._bound = bound_of(folder / "skedema")
        self._swept = False

    def entry(self, found: Found) -> str:
        """Name the copy of a file; it keeps the ending, by which formats are told."""
        name = PurePosixPath(found.path.partition("?")[0].lower())
        ending = "".join(each for each in name.suffixes[-2:] if each[1:].isalnum())
        return digest(json.dumps(found.identity)) + ending

    def content(self, entry: str) -> str | None:
        """Give the SHA-256 of the content of a file that was fetched once; None where not known."""
        path = self._record(entry)
        try:
            with open(path, encoding="ascii") as file:
                told = json.load(file)["sha256"]
                self._bound.used(path, os.fstat(file.fileno()))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return told if isinstance(told, str) else None

    def path(self, found: Found) -> str:
        """Give the path of a copy that is whole, fetching the file if need be.

        Raises
        ------
        ScanError
            If the file cannot be fetched, or there is no room for it.
        """
        path = self.folder / self.entry(found)
        if not self._is_whole(path):
            with self._alone(path):
                if not self._is_whole(path):  # another process was first
                    self._fetch(found, path)
        return str(path)

    def _is_whole(self, path: Path) -> bool:
        wanted = self.content(path.name)
        if wanted is None:
            return False
        try:
            place, identity, size = file_key(str(path))
            whole = digest_at(place, identity, size) == wanted
            self._bound.used(path, os.stat(path))
        except OSError:
            return False
        if not whole:
            tell(f"{path} is damaged; what it is a copy of is fetched anew.")
            path.unlink(missing_ok=True)
        return whole

    def _fetch(self, found: Found, path: Path) -> None:
        most = self._bound.max_bytes
        if found.size > 0.9 * most:
            raise ScanError(
                f"{found.name}: has {found.size:,} bytes, and {self.folder} may hold {most:,} in "
                f"all; allow more by skedema.cache.set_max_bytes({str(self._place)!r}, "
                f"{2 * found.size})"
            )
        if not self._swept:  # once a process
            self._swept = True
            sweep(self.folder)
        try:
            write_whole(path, lambda file: fetch(found, Path(file.name)), prefix=".")
            told = json.dumps({"sha256": digest_at(*file_key(str(path)))}).encode("ascii")
            write_whole(self._record(path.name), lambda file: file.write(told), prefix=".")
        except OSError as error:
            raise ScanError(
                f"{found.name}: its copy cannot be written in {self.folder} "
                f"({error.strerror or error}); free space or mend the permissions there, or give "
                "remote= another folder"
            ) from error
        self._bound.added(found.size + len(told))

    @property
    def _place(self) -> Path:
        return self.folder.parent.parent

    def _record(self, entry: str) -> Path:
        return self.folder / f"{entry.partition('.')[0]}.sha256"

    @contextmanager
    def _alone(self, path: Path) -> Iterator[None]:
        """Let one process fetch what others wait for; where nothing can be locked, each does."""
        lock = self.folder / f".{path.name[:32]}.partial"  # swept as a temporary file is
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            with suppress(ImportError, OSError):
                import fcntl

                file = stack.enter_context(open(lock, "wb"))
                stack.callback(lock.unlink, missing_ok=True)
                fcntl.flock(file, fcntl.LOCK_EX)  # let go when the process ends, however it does
            yield


@lru_cache(maxsize=64)
def copies_in(folder: str) -> Copies:
    """Give the one of this process for a folder."""
    return Copies(Path(folder))
