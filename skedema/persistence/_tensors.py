"""The member weights.safetensors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from skedema.persistence import _strict_json
from skedema.persistence._errors import Damaged
from skedema.persistence._frame import WEIGHTS

_KINDS = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "U16": torch.uint16,
    "U32": torch.uint32,
    "U64": torch.uint64,
    "I8": torch.int8,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
}
_MAX_HEADER = 2**26
_MAX_AXES = 16


def dump(tensors: Mapping[str, Tensor]) -> bytes:
    """Write named tensors; each is on the CPU and contiguous."""
    return safetensors.torch.save(dict(tensors))


def parse(data: memoryview) -> dict[str, Tensor]:
    """Read named tensors: those that lie side by side, fill the member, and are as their shapes."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(len(data) - 8, _MAX_HEADER):
        raise Damaged(f"{WEIGHTS} has no header")
    header = _strict_json.parse(data[8 : 8 + length], WEIGHTS)
    if not isinstance(header, dict):
        raise Damaged(f"{WEIGHTS} has no header")
    places = [_place(name, entry) for name, entry in header.items()]
    numbers, end = data[8 + length :], 0
    for place in sorted(places, key=lambda each: (each.start, each.stop)):
        if place.start != end:
            raise Damaged(f"tensors of {WEIGHTS} overlap, or leave gaps")
        end = place.stop
    if end != len(numbers):
        raise Damaged(f"tensors of {WEIGHTS} do not fill it")
    return {place.name: _made(place, numbers) for place in places}


class _Place(NamedTuple):
    name: str
    kind: torch.dtype
    shape: list[int]
    start: int
    stop: int


def _place(name: str, entry: Any) -> _Place:
    """Read where a tensor begins and ends."""
    fault = Damaged(f"{WEIGHTS} tells of a tensor that cannot be: {name[:80]!r}")
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise fault
    kind, shape, offsets = _KINDS.get(str(entry["dtype"])), entry["shape"], entry["data_offsets"]
    numbers = [shape, offsets]
    if kind is None or not all(isinstance(each, list) for each in numbers):
        raise fault
    if not all(type(n) is int and n >= 0 for each in numbers for n in each):
        raise fault
    if len(offsets) != 2 or len(shape) > _MAX_AXES:
        raise fault
    if offsets[1] - offsets[0] != kind.itemsize * math.prod(shape):
        raise fault
    return _Place(name, kind, shape, *offsets)


def _made(place: _Place, numbers: memoryview) -> Tensor:
    """Give a tensor in memory of its own, as it had when it was trained.

    Where a tensor begins within a file would decide by which way a processor multiplies it.
    """
    if place.start == place.stop:
        return torch.empty(place.shape, dtype=place.kind)
    content = np.frombuffer(numbers[place.start : place.stop], dtype=np.uint8).copy()
    plain = torch.from_numpy(content)
    made = plain != 0 if place.kind is torch.bool else plain.view(place.kind)
    return made.reshape(place.shape).clone()
