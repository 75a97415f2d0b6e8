"""Which cells of a scan column are the same scan under another name."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from typing import Any

from skedema.scans._addresses import place_of, scheme_of
from skedema.scans._content import content_digest
from skedema.scans._paths import is_list_of_paths
from skedema.scans._remote.scan import RemoteScan
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
    paths: dict[Hashable, str] = {}
    identities = [_identity(cell, paths) for cell in cells]
    files = {place: _files(path) for place, path in paths.items()}
    sizes = {place: _sizes(found) for place, found in files.items()}
    shared = Counter(sizes.values())
    contents = {place: _content(files[place]) for place in files if shared[sizes[place]] > 1}
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for position, identity in enumerate(identities):
        if identity is not None:
            groups[contents.get(identity) or identity].append(position)
    return [group for group in groups.values() if len(group) > 1]


def _identity(cell: Any, paths: dict[Hashable, str]) -> Hashable:
    """Tell a cell by where it lies on a disk, which leads to its path, or else by its content."""
    if is_missing_scan(cell):
        return None
    if isinstance(cell, RemoteScan):
        return cell.meaning
    if isinstance(cell, str) and scheme_of(cell):
        return "addresses", place_of(cell)
    if isinstance(cell, str | os.PathLike):
        path = os.fsdecode(cell)
        try:
            path = os.path.realpath(path)
            status = os.stat(path)
        except (OSError, ValueError):
            return "path", path
        # A hard link has another path and the same place on the disk.
        place = ("place", status.st_dev, status.st_ino)
        paths.setdefault(place, path)
        return place
    if is_list_of_paths(cell):
        return "files", *sorted(repr(_identity(file, {})) for file in cell)
    try:
        return scan_key(cell)
    except ScanError:
        return None


def _files(path: str) -> list[str]:
    """List the files of a scan; none where they cannot be compared."""
    try:
        if os.path.isfile(path):  # a pipe would block for ever
            return list((format_of(path) or Format()).files(path, path))
        with os.scandir(path) as entries:
            return [entry.path for entry in entries if entry.is_file()]
    except (OSError, ScanError):
        return []


def _sizes(files: list[str]) -> tuple[int, ...]:
    try:
        return tuple(sorted(os.path.getsize(file) for file in files))
    except OSError:
        return ()


def _content(files: list[str]) -> tuple[str, ...] | None:
    """Give the digests of the files; None for what cannot be compared."""
    digests = [content_digest(file) for file in files]
    return None if not digests or None in digests else ("content", *sorted(map(str, digests)))
