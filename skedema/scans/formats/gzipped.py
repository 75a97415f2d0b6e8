"""Gzip files unpacked whole: fast, checked to the last byte, and never beyond a stated size."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from io import BytesIO
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from skedema.scans.errors import ScanError, broken, system_errors

#: The most bytes that deflate can make out of one: 258 a match of two bits (zlib.net, "zlib
#: technical details"; measured 1029.1, 1032 at the limit).
MAX_RATIO = 1032

#: Above this many bytes, what shrinks by more than `_EMPTY_RATIO` is taken for a decompression
#: bomb. A head CT of 512 x 512 x 300 voxels has 0.16 GB and shrinks two- to tenfold.
_LARGE = 2**29
_EMPTY_RATIO = 100

# Pieces fed in (the first of a member, the others) and taken out: small enough for the cache, and
# so that many small members take no long time.
_FIRST, _IN, _OUT = 2**14, 2**18, 2**20
_READ = 2**20  # of the file at a time
_MAX_MEMBERS = 2**16  # of 64 KiB in files of bgzip: 4 GiB

_MAGIC = b"\x1f\x8b"
_FORBIDDEN_FLAGS = 0xE0  # reserved in RFC 1952, section 2.3.1; ISA-L alone lets them pass
_HEADER_CRC = 0x02


def decompress(
    path: str, name: str, max_bytes: int, least: int | None = None, held: int = 0
) -> NDArray[np.uint8]:
    """Unpack a gzip file whole, by the fastest library there is.

    libdeflate (package ``deflate``), else ISA-L (package ``isal``), else zlib: all give the same
    bytes and refuse the same files. The checksum (CRC-32) and the length in the trailer are
    verified. Several members in a row are joined, as RFC 1952 says; zeros after the last one are
    let pass, as gzip itself does (tapes pad with them); anything else there is refused.

    What unpacks to more than `max_bytes` is refused, and no more is ever allocated. `least` is how
    many bytes are expected (`max_bytes` by default): a file that is too small to hold them, or
    suspiciously small, is refused before anything is allocated; for `held` see `check_ratio`.
    """
    with system_errors(name), open(path, "rb") as file:
        n_packed = os.fstat(file.fileno()).st_size
        if n_packed:
            check_ratio(n_packed, name, max_bytes if least is None else least, held)
        data = file.read()
    return decompress_bytes(data, name, max_bytes)


def decompress_bytes(data: bytes, name: str, max_bytes: int) -> NDArray[np.uint8]:
    """Unpack the content of a gzip file, as `decompress` does."""
    _check_start(data[:4], 0, len(data), name)
    with system_errors(name):
        return _library()(data, name, max_bytes)


def unpacked(
    path: str, name: str, max_bytes: int, least: int | None = None, held: int = 0
) -> Iterator[bytes]:
    """Unpack as thoroughly as `decompress` does, in pieces up to 1 MiB, with little in memory.

    All is verified once the last piece is taken.
    """
    with system_errors(name), open(path, "rb") as file:
        n_packed = os.fstat(file.fileno()).st_size
        if n_packed:
            check_ratio(n_packed, name, max_bytes if least is None else least, held)
        yield from unpacked_from(file, name, max_bytes)


def unpacked_from(file: IO[bytes], name: str, max_bytes: int) -> Iterator[bytes]:
    """Unpack what is left of an open file, as `unpacked` does."""
    return _members(_streaming(), file, name, max_bytes)


def peek(path: str, name: str, n_bytes: int) -> bytes:
    """Unpack the first bytes, fewer where the first member holds no more; nothing is verified."""
    found = b""
    unpack = zlib.decompressobj(wbits=31)
    try:
        with system_errors(name), open(path, "rb") as file:
            data = file.read(2**14)
            _check_start(data[:4], 0, len(data), name)
            # Headers of gzip may be long and blocks may be empty, but not without end.
            while data and not unpack.eof and len(found) < n_bytes and file.tell() <= 2**20:
                found += unpack.decompress(data, n_bytes - len(found))
                data = unpack.unconsumed_tail or file.read(2**14)
    except zlib.error as error:
        raise _damaged(name, error) from error
    check_once(found, path, name)
    return found


def check_once(found: bytes, path: str, name: str) -> None:
    """Refuse a file that was compressed twice, by the start of what it unpacks to."""
    if found.startswith(_MAGIC + b"\x08"):
        file = os.path.basename(path)
        raise broken(
            name,
            "it was compressed twice",
            f"unpack it once, e.g. mv {file} twice.gz && gzip -dc twice.gz > {file}",
        )


def check_ratio(n_packed: int, name: str, n_bytes: int, held: int = 0) -> None:
    """Refuse, before anything is allocated, what packed bytes cannot hold or no scan shrinks to.

    `n_packed` bytes of deflate are said to unpack to `n_bytes`, of which an array of `held` bytes
    is made. These must not be more than deflate can make of them; nor far fewer than the packed
    ones; nor 100 times as many, and in memory above 0.5 GB.
    """
    if n_packed > 1.01 * n_bytes + 2**20:  # deflate adds 5 bytes a 64 KiB at most
        raise broken(
            name,
            f"it has {n_packed:,} bytes of gzip where the header promises {n_bytes:,} unpacked",
        )
    if n_bytes > MAX_RATIO * n_packed:
        raise broken(
            name,
            f"{n_packed:,} bytes of gzip cannot hold the {n_bytes:,} that the header promises",
        )
    held = max(held, n_bytes)
    if held > _LARGE and n_bytes > _EMPTY_RATIO * n_packed:
        raise broken(
            name,
            f"its {n_packed:,} bytes would take {held / 1e9:.1f} GB of memory, as only a "
            "blank image or a decompression bomb does",
            "crop it to the head, or write it without compression as .nii",
        )


Unpack = Callable[[bytes, str, int], NDArray[np.uint8]]


@cache
def _library() -> Unpack:
    for library in ("deflate", "isal"):
        try:
            return library_named(library)
        except ImportError:
            continue
    return library_named("zlib")


def library_named(library: str) -> Unpack:
    """Give the unpacking by "deflate", "isal" or "zlib", if that is installed.

    It takes the packed bytes, the name for messages and the most bytes to unpack to.
    """
    if library == "deflate":
        deflate = import_module("deflate")
        return lambda data, name, max_bytes: _at_once(deflate, data, name, max_bytes)
    module = _streaming(library)
    return lambda data, name, max_bytes: _in_pieces(module, data, name, max_bytes)


def _streaming(library: str | None = None) -> Any:
    """Give the library that unpacks in pieces: the one named, or the faster that there is."""
    if library == "zlib":
        return zlib
    try:
        return import_module("isal.isal_zlib")
    except ImportError:
        if library:
            raise
        return zlib


def _at_once(deflate: Any, data: bytes, name: str, max_bytes: int) -> NDArray[np.uint8]:
    """Unpack with libdeflate, which knows one member only and not where it ends."""
    one_plain_member = data[:3] == _MAGIC + b"\x08" and not (
        len(data) < 18 or data[3] & (_FORBIDDEN_FLAGS | _HEADER_CRC)
    )
    if one_plain_member and max_bytes > 0:
        try:
            found = deflate.gzip_decompress(data, max_bytes)
        except deflate.DeflateError:
            found = None  # zlib below says what is wrong
        # The length was verified where the member ends. Where these four bytes stand nowhere but
        # at the end of the file, the member ends there, too.
        if found is not None and len(found) <= max_bytes:
            length = (len(found) % 2**32).to_bytes(4, "little")
            if data.find(length) == len(data) - 4:
                return np.frombuffer(found, np.uint8)
        del found
    return _in_pieces(zlib, data, name, max_bytes)


def _in_pieces(library: Any, data: bytes, name: str, max_bytes: int) -> NDArray[np.uint8]:
    """Unpack with zlib, or ISA-L by the same calls."""
    found = np.empty(max_bytes, np.uint8)  # pages that nothing is written to cost nothing
    written = 0
    for part in _members(library, BytesIO(data), name, max_bytes):
        found[written : written + len(part)] = np.frombuffer(part, np.uint8)
        written += len(part)
    return found[:written]


def _members(  # noqa: C901 - one pass over a stream, which can end wrongly in many places
    library: Any, file: IO[bytes], name: str, max_bytes: int
) -> Iterator[bytes]:
    """Unpack member after member of an open file."""
    read = file.tell()
    n_packed = file.seek(0, os.SEEK_END)
    file.seek(read)
    written = members = 0
    data, at = b"", 0  # what was read of the file, and how far it is unpacked

    def fill(least: int) -> None:
        nonlocal data, at, read
        if len(data) - at < least:
            data, at = data[at:] + file.read(_READ), 0
            read = file.tell()

    fill(4)
    if not data:
        _check_start(b"", 0, 0, name)
    while at < len(data):
        _check_start(data[at : at + 4], members, n_packed - read + len(data) - at, name)
        members += 1
        if members > _MAX_MEMBERS:
            raise broken(name, f"it is in more than {_MAX_MEMBERS:,} pieces, as no program writes")
        unpack = library.decompressobj(wbits=31)
        piece = b""
        size = _FIRST
        while not unpack.eof:
            if not piece:
                fill(1)
                piece = data[at : at + size]
                at += len(piece)
                size = _IN
            try:
                # One byte more than there is room for shows that there is too much.
                part = unpack.decompress(piece, min(_OUT, max_bytes - written + 1))
            except library.error as error:
                raise _damaged(name, error) from error
            if not (piece or part or unpack.eof):
                raise broken(name, "the file ends before its compressed data do")
            written += len(part)
            if written > max_bytes:
                raise broken(name, f"it unpacks to more than the {max_bytes:,} bytes promised")
            yield part
            piece = unpack.unconsumed_tail
        at -= len(unpack.unused_data)
        fill(4)
        if data[at : at + 1] == b"\0" and _only_zeros(data[at:], file):
            return


def _only_zeros(start: bytes, file: IO[bytes]) -> bool:
    """Look at all that follows; the file is then where it was."""
    where = file.tell()
    piece = start
    while piece and not piece.strip(b"\0"):
        piece = file.read(_READ)
    file.seek(where)
    return not piece


def _check_start(start: bytes, members: int, n_left: int, name: str) -> None:
    """Check the first four bytes of a member, behind so many others."""
    if not start:
        raise broken(name, "the file is empty")
    if members and start[:2] != _MAGIC:
        raise broken(name, f"{n_left:,} bytes that are no gzip follow its compressed data")
    if start[:2] != _MAGIC:
        raise broken(
            name,
            f"it is no gzip file: it begins with {start!r}",
            "restore or convert the file again, or name it .nii where it is not compressed",
        )
    if len(start) == 4 and start[3] & _FORBIDDEN_FLAGS:
        raise broken(name, "its compressed data are damaged (reserved flags are set)")


def _damaged(name: str, error: BaseException) -> ScanError:
    return broken(name, f"its compressed data are damaged: {error}")
