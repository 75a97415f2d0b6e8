"""The digest by which things are told apart and found whole: SHA-256."""

from __future__ import annotations

import hashlib
import io
import os
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

#: Bytes of a `raw_digest`.
DIGEST_SIZE = 32

Part = str | bytes | memoryview | NDArray[Any]


def digest(*parts: Part) -> str:
    """Digest texts, bytes and the numbers of arrays, one after the other, in hexadecimal.

    Where one part ends and the next begins does not count, nor do the shape and type of an array.
    """
    return raw_digest(*parts).hex()


def raw_digest(*parts: Part) -> bytes:
    """Digest as `digest` does, as 32 bytes."""
    hashing = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            part = part.encode()
        elif isinstance(part, np.ndarray):
            part = np.ascontiguousarray(part).reshape(-1).view(np.uint8).data
        hashing.update(part)
    return hashing.digest()


def file_digest(path: str | os.PathLike[str]) -> str:
    """Digest the content of a file, a piece at a time, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class DigestedWriter(io.RawIOBase):
    """Pass bytes on to a file and digest them, so that nothing is held in memory twice."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self._hashing = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._hashing.update(data)
        return self.file.write(data)

    def raw_digest(self) -> bytes:
        return self._hashing.digest()
