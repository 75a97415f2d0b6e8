"""Files that give no more bytes than they may, whatever the lengths within them say."""

from __future__ import annotations

import io
from typing import IO

from skedema.scans.errors import ScanError


class Allowance:
    """How many bytes may still be read, of one file or of several."""

    def __init__(self, n_bytes: int, refusal: str) -> None:
        self.left = n_bytes
        self.refusal = refusal


class Bounded:
    """An open file as pydicom reads it, within an allowance; what is skipped does not count."""

    def __init__(self, stream: IO[bytes], allowance: Allowance) -> None:
        self._allowance = allowance
        self._read = stream.read
        self.seek = stream.seek
        self.tell = stream.tell
        # A zip reads 16 MiB at a time to skip something.
        stream.MAX_SEEK_READ = 2**16  # type: ignore[attr-defined]

    def read(self, size: int = -1) -> bytes:
        if size < 0:  # pydicom takes all there is only to unpack it, to any size
            raise ScanError(
                "deflated pixels are not read; decompress them first (dcmconv of DCMTK)"
            )
        found = self._read(min(size, self._allowance.left + 1))
        self._allowance.left -= len(found)
        if self._allowance.left < 0:
            raise ScanError(self._allowance.refusal)
        return found


class Directory(io.BufferedReader):
    """A zip whose list of members is no longer than it may be."""

    most_members: int | None = None

    def read(self, size: int | None = -1, /) -> bytes:
        most = self.most_members
        if most is None or size is None or size < 0:  # the end of the file: 64 KiB
            return super().read(size)
        found = super().read(min(size, 512 * most + 1))
        if len(found) > 512 * most or found.count(b"PK\x01\x02") > most:
            raise ScanError(f"holds more than {most} files; give the folder of one exam")
        return found
