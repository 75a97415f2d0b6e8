"""The zip around a model: exactly three members, stored one after the other, and nothing else.

There is one way to write a given content, byte for byte, so that reading is comparing: headers,
directory and end are made anew from the members' lengths and checksums, and the file has to have
these very bytes. Whatever an archive can do besides (extra fields, comments, descriptors, links,
encryption, 64-bit sizes, members that overlap, bytes before, between or behind) is thereby another
file. The members are then told by their SHA-256 in the manifest, and the manifest by its own, which
stands in the comment of the archive.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from skedema._caching.digest import digest
from skedema.persistence import _strict_json
from skedema.persistence._errors import Damaged, Unsupported

MANIFEST, PARAMS, WEIGHTS = "manifest.json", "params.json", "weights.safetensors"
#: The members in their order, and the most bytes that each may have.
MEMBERS = {MANIFEST: 2**24, PARAMS: 2**28, WEIGHTS: 2**32 - 2**29}
#: More bytes than any model file has.
MOST = sum(MEMBERS.values()) + 2**12

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_VERSION, _DATE = 20, 33  # of the format; 1 January 1980, the first day there is
_COMMENT = b"skedema model; SHA-256 of manifest.json: "

Bytes = bytes | memoryview


def pieces(members: Mapping[str, Bytes], comment: bytes) -> Iterator[Bytes]:
    """Give the bytes of the archive, one piece after the other."""
    directory, offset = [], 0
    for name in MEMBERS:
        body = members[name]
        told = (zlib.crc32(body), len(body), len(body), len(name))
        header = _LOCAL.pack(b"PK\3\4", _VERSION, 0, 0, 0, _DATE, *told, 0) + name.encode()
        entry = (_VERSION, _VERSION, 0, 0, 0, _DATE, *told, 0, 0, 0, 0, 0, offset)
        directory.append(_CENTRAL.pack(b"PK\1\2", *entry) + name.encode())
        offset += len(header) + len(body)
        yield header
        yield body
    found, n = b"".join(directory), len(directory)
    yield found
    yield _END.pack(b"PK\5\6", 0, 0, n, n, len(found), offset, len(comment)) + comment


def check_sizes(bodies: Mapping[str, Bytes], most: Mapping[str, int]) -> None:
    """Refuse to write what reading would refuse."""
    for name, body in bodies.items():
        if len(body) > most[name]:
            raise Unsupported(f"{name} would have {len(body)} bytes, more than a file may hold")


def comment_of(manifest: Bytes) -> bytes:
    """Give the comment that tells the manifest."""
    return _COMMENT + digest(memoryview(manifest)).encode()


def digests(members: Mapping[str, Bytes]) -> dict[str, dict[str, Any]]:
    """Tell members by length and SHA-256, for the manifest."""
    return {
        name: {"bytes": len(body), "sha256": digest(memoryview(body))}
        for name, body in members.items()
    }


def open_frame(data: bytes) -> tuple[dict[str, Any], dict[str, memoryview]]:
    """Check every byte of a file, and give its manifest and its other members.

    Nothing is parsed before its digest is right.
    """
    members = _cut(memoryview(data))
    manifest = members.pop(MANIFEST)
    told = _strict_json.parse(manifest, MANIFEST)
    if not isinstance(told, dict) or told.get("members") != digests(members):
        raise Damaged("a member is not the one that manifest.json tells of")
    return told, members


def _cut(data: memoryview) -> dict[str, memoryview]:
    """Cut the members out of a file, if it is what would be written of them."""
    members: dict[str, memoryview] = {}
    start = 0
    for name, most in MEMBERS.items():
        header = bytes(data[start : start + _LOCAL.size])
        if len(header) < _LOCAL.size or not header.startswith(b"PK\3\4"):
            raise Damaged("it is no model file of skedema" if not start else f"{name} is missing")
        length = _LOCAL.unpack(header)[8]
        if length > most:
            raise Damaged(f"{name} has {length} bytes; {most} are the most")
        start += _LOCAL.size + len(name)
        members[name] = data[start : start + length]
        start += length
    at = 0
    for piece in pieces(members, comment_of(members[MANIFEST])):
        # A body is compared by its checksum and its digest: it is cut out of this very file.
        if isinstance(piece, bytes) and data[at : at + len(piece)] != piece:
            raise Damaged(f"the bytes from {at} on are not those that were written")
        at += len(piece)
    if at != len(data):
        raise Damaged(f"{len(data) - at} bytes follow its end")
    return members
