"""Files that try to run something, to write somewhere, or to take all memory, when they are read.

Each is made of a good model file. Those that are ``sealed`` have the right digests, as whoever
makes such a file can compute them; the others break the archive around the model.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from skedema.persistence import _frame

MANIFEST, PARAMS, WEIGHTS = _frame.MEMBERS


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)


def malicious(good: bytes, marker: Path) -> Iterator[tuple[str, bytes]]:
    """Give names and contents; whatever runs makes the folder `marker`, or one named "evil"."""
    pickled = pickle.dumps(Payload(marker))
    members = members_of(good)
    yield from _no_archive(pickled, marker)
    yield from _other_archives(members, pickled)
    yield from _changed_headers(good)
    yield from _sealed(members, pickled)


def members_of(good: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        return {name: archive.read(name) for name in _frame.MEMBERS}


def sealed(members: dict[str, bytes], **changed: bytes) -> bytes:
    """Write a file with other members and the digests that belong to them."""
    bodies = {PARAMS: members[PARAMS], WEIGHTS: members[WEIGHTS]}
    bodies |= {name: body for name, body in changed.items() if name != MANIFEST}
    manifest = changed.get(MANIFEST)
    if manifest is None:
        told = json.loads(members[MANIFEST]) | {"members": _frame.digests(bodies)}
        manifest = json.dumps(told).encode()
    every = {MANIFEST: manifest, **bodies}
    return b"".join(map(bytes, _frame.pieces(every, _frame.comment_of(manifest))))


def _no_archive(pickled: bytes, marker: Path) -> Iterator[tuple[str, bytes]]:
    yield "a pickle", pickled
    yield "an empty file", b""
    yield "an empty archive", b"PK\5\6" + bytes(18)
    file = io.BytesIO()
    torch.save(Payload(marker), file)
    yield "a file of torch.save", file.getvalue()


def _archive(entries: list[tuple[Any, bytes]], **options: Any) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **options) as archive:
        for name, body in entries:
            archive.writestr(name, body)
        archive.comment = _frame.comment_of(entries[0][1])
    return file.getvalue()


def _other_archives(members: dict[str, bytes], pickled: bytes) -> Iterator[tuple[str, bytes]]:
    good = list(members.items())
    link = zipfile.ZipInfo("evil")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    yield "a member ../evil", _archive([*good, ("../evil", b"x")])
    yield "a member /tmp/evil", _archive([*good, ("/tmp/evil", b"x")])
    yield "a member data.pkl", _archive([*good, ("data.pkl", pickled)])
    yield "a link", _archive([*good, (link, b"/etc/passwd")])
    yield "a folder", _archive([*good, (zipfile.ZipInfo("evil/"), b"")])
    yield "other order", _archive(good[::-1])
    yield "a member is missing", _archive(good[:2])
    yield "deflated", _archive(good, compression=zipfile.ZIP_DEFLATED)
    bomb = [good[0], good[1], (WEIGHTS, bytes(2**25))]
    yield "a bomb", _archive(bomb, compression=zipfile.ZIP_DEFLATED)
    yield "names twice", _names_twice(good)


def _names_twice(good: list[tuple[str, bytes]]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, body in good:
            archive.writestr(name, body)
        archive.comment = _frame.comment_of(good[0][1])
        info = zipfile.ZipInfo(PARAMS)
        archive.NameToInfo.pop(PARAMS)
        archive.writestr(info, b"{}")
    return file.getvalue()


def _changed_headers(good: bytes) -> Iterator[tuple[str, bytes]]:
    directory = good.index(b"PK\1\2")
    second = good.index(b"PK\1\2", directory + 4)
    end = good.index(b"PK\5\6", second)

    def put(at: int, form: str, value: int) -> bytes:
        packed = struct.pack(form, value)
        return good[:at] + packed + good[at + len(packed) :]

    yield "bytes before it", b"#!/bin/sh\n" + good
    yield "bytes behind it", good + b"\n"
    yield "encrypted, as its directory says", put(directory + 8, "<H", 1)
    yield "encrypted, as its header says", put(6, "<H", 1)
    yield "a data descriptor", put(6, "<H", 8)
    yield "64-bit sizes", put(directory + 24, "<I", 2**32 - 1)
    yield "a length of 4 GiB", put(22, "<I", 2**32 - 1)
    yield "members overlap", put(second + 42, "<I", 0)
    yield "another offset of the directory", put(end + 16, "<I", 0)
    yield "another number of members", put(end + 10, "<H", 4)
    yield "another disk", put(end + 4, "<H", 1)
    yield "another checksum", put(directory + 16, "<I", 0)
    yield "a zip64 record", good[:end] + b"PK\6\6" + bytes(52) + b"PK\6\7" + bytes(16) + good[end:]
    name = good.index(b"params.json", directory)
    yield "another name in the directory", good[:name] + b"../evil.txt" + good[name + 11 :]
    yield "an extra field", good[:28] + struct.pack("<H", 4) + good[30:]
    yield "a second end", good + good[end:]


def _sealed(members: dict[str, bytes], pickled: bytes) -> Iterator[tuple[str, bytes]]:
    for name in members:
        yield f"{name} is a pickle", sealed(members, **{name: pickled})
    params = json.loads(members[PARAMS])

    def changed(change: Callable[[Any], object]) -> bytes:
        other = json.loads(members[PARAMS])
        change(other)
        return sealed(members, **{PARAMS: json.dumps(other).encode()})

    def attribute(name: str, value: Any) -> bytes:
        return changed(lambda other: other["objects"][-1][1].update({name: value}))

    def part(name: str, fields: Any) -> bytes:
        return changed(lambda other: other["objects"].insert(0, [name, fields]))

    text = members[PARAMS].decode()
    for name, other in (
        ("a name twice", text[:-1] + ',"objects":[]}'),
        ("NaN", text.replace("0.0", "NaN", 1)),
        ("nested without end", "[" * 10**6),
        ("nested deep", '{"estimator":' + "[" * 900 + "]" * 900 + ',"objects":[]}'),
        ("an endless number", '{"estimator":' + "9" * 10**6 + ',"objects":[]}'),
    ):
        yield name, sealed(members, **{PARAMS: other.encode()})
    twice = members[MANIFEST].decode()[:-1] + ',"format":1}'
    yield "a name twice in the manifest", sealed(members, **{MANIFEST: twice.encode()})
    later = json.loads(members[MANIFEST]) | {"format": 999}
    yield "a later format", sealed(members, **{MANIFEST: json.dumps(later).encode()})
    for name in ("os.system", "builtins.eval", "subprocess:Popen", "plug-in:encoder:../evil"):
        yield f"a part {name}", part(name, {"command": "mkdir evil"})
    yield (
        "a MONAI network of a file",
        part(
            "skedema.MonaiEncoder",
            {"name": "resnet10", "dim": 1, "arguments": {"dict": [["pretrained", "evil"]]}},
        ),
    )
    yield (
        "a MONAI name that is no network",
        part("skedema.MonaiEncoder", {"name": "__loader__", "dim": 1, "arguments": None}),
    )
    yield "another class", attribute("__class__", {"type": "int"})
    yield "another method", attribute("predict_proba", {"type": "int"})
    yield "a reduction", attribute("__reduce__", [])
    yield "an array of objects", attribute("classes_", {"array": ["_clinical", "|O", "C"]})
    yield "a structured dtype", attribute("classes_", {"dtype": "i4,O"})
    yield "a type by name", attribute("classes_", {"type": "Popen"})
    yield "an unknown mark", attribute("classes_", {"pickle": pickled.hex()})
    yield "a huge shape", attribute("classes_", {"cells": ["|O", [10**12], ["a"]]})
    last = len(params["objects"]) - 1
    yield "an object that holds itself", attribute("classes_", {"object": last})
    yield "a width of a billion", changed(lambda other: _widen(other, 10**9))
    yield "a width of 30,000", changed(lambda other: _widen(other, 30_000))
    yield from _weights(members)


def _widen(params: Any, dim: int) -> None:
    for _, fields in params["objects"]:
        if "dim" in fields:
            fields["dim"] = dim
        if "arguments" in fields:
            fields["arguments"]["dict"][0] = ["dim", dim]


def _weights(members: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    def written(header: Any, data: bytes = b"") -> bytes:
        text = json.dumps(header).encode()
        return sealed(members, **{WEIGHTS: struct.pack("<Q", len(text)) + text + data})

    def tensor(shape: Any, start: int, end: int) -> dict[str, Any]:
        return {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}

    yield "a header of 2**63 bytes", sealed(members, **{WEIGHTS: struct.pack("<Q", 2**63)})
    yield "a tensor of 2**80 numbers", written({"a": tensor([2**40, 2**40], 0, 4)}, bytes(4))
    yield "a tensor of negative size", written({"a": tensor([-1, -1], 0, 4)}, bytes(4))
    overlapping = {"a": tensor([1], 0, 4), "b": tensor([1], 0, 4)}
    yield "tensors that overlap", written(overlapping, bytes(4))
    yield "tensors with a gap", written({"a": tensor([1], 4, 8)}, bytes(8))
    yield "a tensor beyond the end", written({"a": tensor([1], 0, 4)})
    yield "another dtype", written({"a": tensor([1], 0, 4) | {"dtype": "pickle"}}, bytes(4))
    yield "no tensors", written({})
