"""Which cells of a scan column are the same scan under another name."""

from __future__ import annotations

import os
import stat
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from typing import Any

from skedema.scans._content import content_digest
from skedema.scans._paths import is_list_of_paths
from skedema.scans.errors import ScanError
from skedema.scans.files import is_missing_scan, scan_key
from skedema.scans.formats.base import Format, format_of


def same_scans(cells: Sequence[Any]) -> list[list[int]]:
    """Find the cells that are the same scan: one file, links to it, or copies.

    Gives the positions of cells that are the same, two or more each, in order. What is missing is
    the same as nothing. Files are compared by where they lie, whatever the path says, and those of
    equal size by what is in them; folders by their files. Nothing is read of what has a size of its
    own.
    """
    identities = [_where(cell) for cell in cells]
    sizes = {known: _sizes(known) for known in set(identities) if isinstance(known, _Place)}
    shared = Counter(sizes.values())
    contents = {known: _content(known) for known, size in sizes.items() if shared[size] > 1}
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for position, known in enumerate(identities):
        if known is not None:
            content = contents.get(known) if isinstance(known, _Place) else None
            groups[content or known].append(position)
    return [group for group in groups.values() if len(group) > 1]


def _where(cell: Any) -> Hashable:
    if is_missing_scan(cell):
        return None
    if isinstance(cell, str | os.PathLike):
        path = os.fsdecode(cell)
        try:
            path = os.path.realpath(path)
            status = os.stat(path)
        except (OSError, ValueError):
            return "path", path
        # A hard link has another path and the same place on the disk.
        return _Place(path, (status.st_dev, status.st_ino))
    if is_list_of_paths(cell):
        return "files", *sorted(map(repr, map(_where, cell)))
    try:
        return scan_key(cell)
    except ScanError:
        return None


class _Place:
    """A file or folder, equal to another one at the same place on a disk."""

    def __init__(self, path: str, place: tuple[int, int]) -> None:
        self.path, self.place = path, place

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Place) and self.place == other.place

    def __hash__(self) -> int:
        return hash(self.place)

    def __repr__(self) -> str:
        return repr(self.place)


def _files(place: _Place) -> list[str]:
    if os.path.isfile(place.path):  # a pipe would block for ever
        return list((format_of(place.path) or Format()).files(place.path, place.path))
    with os.scandir(place.path) as entries:
        return [entry.path for entry in entries if entry.is_file()]


def _sizes(place: _Place) -> tuple[int, ...]:
    """Give the sizes of the files; nothing for what cannot be compared."""
    try:
        found = [os.stat(file) for file in _files(place)]
    except (OSError, ScanError):
        return ()
    if not all(stat.S_ISREG(status.st_mode) for status in found):
        return ()
    return tuple(sorted(status.st_size for status in found))


def _content(place: _Place) -> tuple[str, ...] | None:
    """Give the digests of the files; None for what cannot be compared."""
    try:
        digests = [content_digest(file) for file in _files(place)]
    except (OSError, ScanError):
        return None
    return None if not digests or None in digests else ("content", *sorted(map(str, digests)))
