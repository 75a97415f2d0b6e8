"""Arrays in memory."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from skedema._caching.digest import digest
from skedema.scans._voxels import as_volume, numeric
from skedema.scans.formats.base import Format
from skedema.scans.scan import Scan


class Array(Format):
    """A 3-D array in a cell, without geometry."""

    def load(self, cell: Any, name: str, max_bytes: int) -> Scan:
        """Check the array; one of float32 is not copied."""
        return Scan(as_volume(cell, name, max_bytes), None)

    def key(self, cell: Any, name: str) -> tuple[Any, ...]:
        """Give its digest."""
        return ("array", array_digest(numeric(cell, name)))


def array_digest(array: NDArray[Any]) -> str:
    """Tell an array by its shape, type and content."""
    return digest(f"{array.shape} {array.dtype.str}", array)
