"""From the numbers that a file stores to the array that is held, at little more than its memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from skedema.scans._voxels import check_not_blank

_PIECE = 2**20


def held_type(stored: np.dtype[Any], slope: float = 1.0, inter: float = 0.0) -> np.dtype[Any]:
    """Tell what NIfTI voxels are held as."""
    # Half the memory; bytes and unsigned numbers could not hold the HU of air.
    as_they_are = slope == 1 and inter == 0 and stored == np.int16
    return stored if as_they_are else np.dtype(np.float32)


def is_wide(stored: np.dtype[Any]) -> bool:
    """Tell whether the stored voxels take so much memory that they are read by pieces.

    Three quarters of the memory would be theirs: packed, unpacked and as float32 they would take
    five times the array that is held.
    """
    return stored.itemsize > 4


def pieces_of(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece


def from_pieces(
    pieces: Iterable[bytes],
    stored: np.dtype[Any],
    n: int,
    name: str,
    slope: float = 1.0,
    inter: float = 0.0,
) -> NDArray[np.float32]:
    """Join the pieces of a file to float32: n voxels, or those that there are; not all the same."""
    volume = np.empty(n, np.float32)
    at, rest, differ = 0, b"", False
    first: Any = None
    for piece in pieces:
        data = rest + piece
        whole = min(len(data) // stored.itemsize, n - at)
        flat = np.frombuffer(data, stored, whole)
        first = flat[0] if first is None and whole else first
        differ = differ or bool((flat != first).any())
        volume[at : at + whole] = scaled(flat, slope, inter)
        at += whole
        rest = data[whole * stored.itemsize :]
    if at == n and not differ:
        check_not_blank(volume, name)
    return volume[:at]


def read_stored(file: IO[bytes], stored: np.dtype[Any], n: int, name: str) -> NDArray[Any]:
    """Read n numbers, or those that there are, not all the same; as float32 if they are wide."""
    if is_wide(stored):
        return from_pieces(pieces_of(file), stored, n, name)
    flat = np.fromfile(file, stored, n)
    check_not_blank(flat, name)
    return flat


def scaled(flat: NDArray[Any], slope: float, inter: float) -> NDArray[Any]:
    """Give stored x slope + inter, rounded once, in one pass over memory."""
    dtype = flat.dtype
    with np.errstate(over="ignore", invalid="ignore"):
        if slope == 1 and inter == 0:
            return np.require(flat, held_type(dtype), ["A", "W"]) if dtype != np.int16 else flat
        volume = np.empty(flat.size, np.float32)
        whole = slope == int(slope) and inter == int(inter)
        largest = 2 ** (8 * dtype.itemsize) * abs(slope) + abs(inter)
        if dtype.kind != "f" and whole and largest <= 2**24:  # exact in float32
            np.multiply(flat, np.float32(slope), out=volume, dtype=np.float32, casting="unsafe")
            volume += np.float32(inter)
            return volume
        for start in range(0, flat.size, 2**16):
            piece = flat[start : start + 2**16].astype(np.float64)
            piece *= slope
            piece += inter
            volume[start : start + 2**16] = piece
    return volume
