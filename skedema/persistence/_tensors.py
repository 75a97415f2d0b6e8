"""The member weights.safetensors."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import safetensors.torch
from torch import Tensor

from skedema.persistence import _strict_json
from skedema.persistence._errors import Damaged
from skedema.persistence._frame import WEIGHTS

_SIZES = {"BOOL": 1, "U8": 1, "I8": 1, "F16": 2, "BF16": 2, "I16": 2, "U16": 2}
_SIZES |= {"F32": 4, "I32": 4, "U32": 4, "F64": 8, "I64": 8, "U64": 8}
_MAX_HEADER = 2**26
_MAX_AXES = 16


def dump(tensors: Mapping[str, Tensor]) -> bytes:
    """Write named tensors; each is on the CPU and contiguous."""
    return safetensors.torch.save(dict(tensors))


def parse(data: memoryview) -> dict[str, Tensor]:
    """Read named tensors, each with memory of its own, as it had when it was trained."""
    _check(data)
    try:
        found = safetensors.torch.load(bytes(data))
    except Exception as error:  # the library raises a kind of its own
        raise Damaged(f"{WEIGHTS} cannot be read ({error})") from error
    # Where a tensor begins within a file decides by which way a processor multiplies it.
    return {name: tensor.clone() for name, tensor in found.items()}


def _check(data: memoryview) -> None:
    """Check that tensors lie side by side and fill the member, each as large as its shape says."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(len(data) - 8, _MAX_HEADER):
        raise Damaged(f"{WEIGHTS} has no header")
    header = _strict_json.parse(data[8 : 8 + length], WEIGHTS)
    if not isinstance(header, dict):
        raise Damaged(f"{WEIGHTS} has no header")
    places = sorted(_place(name, entry) for name, entry in header.items())
    end = 0
    for start, stop in places:
        if start != end:
            raise Damaged(f"tensors of {WEIGHTS} overlap, or leave gaps")
        end = stop
    if end != len(data) - 8 - length:
        raise Damaged(f"tensors of {WEIGHTS} do not fill it")


def _place(name: str, entry: Any) -> tuple[int, int]:
    """Give where a tensor begins and ends."""
    fault = Damaged(f"{WEIGHTS} tells of a tensor that cannot be: {name[:80]!r}")
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise fault
    size, shape, offsets = _SIZES.get(str(entry["dtype"])), entry["shape"], entry["data_offsets"]
    numbers = [shape, offsets]
    if size is None or not all(isinstance(each, list) for each in numbers):
        raise fault
    if not all(type(n) is int and n >= 0 for each in numbers for n in each):
        raise fault
    if len(offsets) != 2 or len(shape) > _MAX_AXES or not re.fullmatch(r"[^\0]{1,500}", name):
        raise fault
    if offsets[1] - offsets[0] != size * math.prod(shape):
        raise fault
    return offsets[0], offsets[1]
