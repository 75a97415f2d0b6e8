"""A scan at an address, as a cell of a column."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from skedema._caching.digest import digest
from skedema._caching.memory import memory_folder
from skedema.scans._addresses import is_refused, place_of, scheme_of, shown
from skedema.scans._paths import is_list_of_paths
from skedema.scans._remote.copies import copies_in
from skedema.scans._remote.store import Found, look_up
from skedema.scans.errors import ScanError

_AT_ONCE = 16  # questions to a store


class RemoteScan(os.PathLike[str]):
    """A scan at one or several addresses, and the folder for its copies.

    The store is asked about it once, when that is needed first; the answer goes with it to other
    processes. It can be opened like the path of a file: that gives the copy.

    Parameters
    ----------
    addresses : tuple of str
        One of a file or a folder, or those of the files of a DICOM series.
    folder : str
        Absolute.
    """

    def __init__(self, addresses: tuple[str, ...], folder: str) -> None:
        self.addresses = addresses
        self.folder = folder
        self._found: list[Found] | None = None

    @property
    def name(self) -> str:
        """What messages call it: without user, password and signature."""
        more = f" and {len(self.addresses) - 1} more" if len(self.addresses) > 1 else ""
        return shown(self.addresses[0]) + more

    @property
    def meaning(self) -> tuple[str, ...]:
        """What it is, wherever its copies are, whoever signed its address, and without asking."""
        return ("addresses", *map(place_of, self.addresses))

    @property
    def found(self) -> list[Found]:
        """The files, as the store tells them."""
        if self._found is None:
            self._found = [found for each in self.addresses for found in look_up(each)]
        return self._found

    @property
    def is_file(self) -> bool:
        """Whether it is one file."""
        return [found.address for found in self.found] == [self.addresses[0].strip()]

    @property
    def entries(self) -> list[str]:
        """The names of the copies."""
        return [copies_in(self.folder).entry(found) for found in self.found]

    @property
    def key(self) -> tuple[Any, ...]:
        """What identifies it: a file's copy by its name, as its content may not be known yet."""
        entries = self.entries
        one = entries[0] if self.is_file else f"{digest(*sorted(entries))}/"
        return ("remote", self.folder, one)

    @contextmanager
    def local(self) -> Iterator[str]:
        """Give the path of a copy, or of a folder with all of them under their names."""
        copies = copies_in(self.folder)
        if self.is_file:
            yield copies.path(self.found[0])
            return
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            paths = list(threads.map(copies.path, self.found))
        with tempfile.TemporaryDirectory(prefix="skedema-") as folder:
            for number, (found, path) in enumerate(zip(self.found, paths, strict=True)):
                # Names from afar are no paths of here; the number keeps equal ones apart.
                name = found.name.rpartition("/")[2]
                _link(path, Path(folder, f"{number:05d}-{name[-200:]}"))
            yield folder

    def is_here(self) -> bool:
        """Say whether there is a copy of every file, be it whole or not."""
        folder = copies_in(self.folder).folder
        return all((folder / entry).exists() for entry in self.entries)

    def content(self) -> str | None:
        """Give the SHA-256 of the file; None where it is several, or not fetched yet."""
        return copies_in(self.folder).content(self.entries[0]) if self.is_file else None

    def __fspath__(self) -> str:
        if not self.is_file:
            raise ScanError(f"{self.name}: is no single file; give the address of one")
        return copies_in(self.folder).path(self.found[0])

    def __repr__(self) -> str:
        return f"RemoteScan({self.name!r})"

    def __str__(self) -> str:
        return self.name

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RemoteScan):
            return NotImplemented
        return (self.addresses, self.folder) == (other.addresses, other.folder)

    def __hash__(self) -> int:
        return hash((self.addresses, self.folder))


def is_address(cell: object) -> bool:
    """Say whether a cell is an address, or a list with one."""
    if is_list_of_paths(cell):
        return any(scheme_of(each) for each in cell)  # type: ignore[attr-defined]
    return scheme_of(cell) is not None


def at_address(cell: Any, remote: Any) -> Any:
    """Make a `RemoteScan` of an address, where a folder for copies is given; leave all else."""
    if remote is None or not is_address(cell):
        return cell
    folder = memory_folder(remote)
    addresses = (cell,) if isinstance(cell, str) else tuple(cell)
    if not all(map(scheme_of, addresses)):
        raise ScanError("a list of paths and addresses; give one kind, the files of one series")
    return RemoteScan(addresses, str(folder))


def not_asked(name: str) -> str:
    """Say what to do about an address that nobody asked to fetch."""
    if scheme_of(name) is not None and (why := is_refused(name)):
        return f"{name}: {why}"
    return (
        f"{name}: is an address, and scans are fetched only where you say so: give "
        "volume=VolumeReader(remote=FOLDER), with a folder for the copies, or a path"
    )


def ask_all(scans: Sequence[RemoteScan]) -> list[ScanError | None]:
    """Ask about scans, several at the same time; gives what is wrong with each."""

    def ask(scan: RemoteScan) -> ScanError | None:
        try:
            scan.found  # noqa: B018
        except ScanError as error:
            return error
        return None

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return list(threads.map(ask, scans))


def _link(path: str, place: Path) -> None:
    try:
        os.symlink(path, place)
    except OSError:  # Windows asks for a right to do so
        shutil.copyfile(path, place)
