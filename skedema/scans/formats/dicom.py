"""DICOM series as a format: a folder, a zip, a list of files, or one file of any name."""

from __future__ import annotations

import os
from typing import Any

from skedema.scans.dicom._load import dicom_key, load_dicom
from skedema.scans.dicom._sniff import HEAD, starts_dicom
from skedema.scans.formats.base import Format
from skedema.scans.scan import Scan


class Dicom(Format):
    """A series of slices; the room `skedema.scans.dicom` reads it."""

    whole = False

    def load(self, cell: Any, name: str, max_bytes: int, acquisition: int | None = None) -> Scan:
        """Read a series; see `load_dicom`."""
        return load_dicom(cell, name, max_bytes, acquisition)

    def key(self, cell: Any, name: str) -> tuple[Any, ...]:
        """Give what tells its files; see `dicom_key`."""
        return dicom_key(cell, name)


def has_files(folder: str) -> bool:
    """Say whether a folder is there with a file among the first 64 things in it."""
    try:
        with os.scandir(folder) as entries:
            return any(entry.is_file() for entry, _ in zip(entries, range(64), strict=False))
    except (OSError, ValueError):  # no such folder; a NUL character
        return False


def is_dicom(path: str) -> bool:
    """Say whether a file is DICOM by its first bytes: archives name them IM000001, or by UID."""
    try:
        if not os.path.isfile(path):  # a pipe would block for ever
            return False
        with open(path, "rb") as file:
            return starts_dicom(file.read(HEAD))
    except (OSError, ValueError):
        return False
