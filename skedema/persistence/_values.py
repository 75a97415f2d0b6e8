"""Values as plain JSON: lists, texts, numbers, truth and null as they are, all else with a tag.

A tag is an object of one name, such as ``{"tuple": [...]}``. Numbers that JSON has not are written
bit by bit. Arrays of numbers and tensors stand in the other member, by name.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch

from skedema.persistence._errors import Damaged

Take = Callable[[Any, str], Any]
Build = Callable[[Any], Any]

_NUMBERS = re.compile(r"[<>|][biufc](1|2|4|8|16)")
_ANY = re.compile(r"[<>|][biufcOU]\d{0,6}")
_NULLABLE = re.compile(r"(U?Int(8|16|32|64)|Float(32|64)|boolean|str|string)")
_TORCH = {
    str(kind).removeprefix("torch."): kind
    for kind in vars(torch).values()
    if isinstance(kind, torch.dtype)
}
_CELLS = re.compile(r"[<>|]([OU])\d{0,6}")
#: Classes that stand as parameters, such as the dtype of a `OneHotEncoder`.
_TYPES: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        bool,
        int,
        float,
        str,
        object,
        np.bool_,
        np.int8,
        np.int16,
        np.int32,
        np.int64,
        np.uint8,
        np.uint16,
        np.uint32,
        np.uint64,
        np.float16,
        np.float32,
        np.float64,
    )
}


def is_plain(value: Any) -> bool:
    """Tell what JSON holds as it is."""
    kind = type(value)
    return (
        value is None
        or kind in (bool, str)
        or (kind is int and abs(value) < 10**39)
        or (kind is float and math.isfinite(value))
    )


def tag_of(value: Any, take: Take, where: str) -> tuple[str, Any] | None:
    """Give the tag of a value that is none of skedema's parts, and what stands under it."""
    kind = type(value)
    if kind is float:
        return "float", struct.pack("<d", value).hex()
    if kind is tuple:
        return "tuple", [take(each, f"{where}[{k}]") for k, each in enumerate(value)]
    if kind is dict:
        return "dict", [
            [take(key, f"a key of {where}"), take(each, within(where, key))]
            for key, each in value.items()
        ]
    if kind is slice:
        return "slice", [take(each, where) for each in (value.start, value.stop, value.step)]
    if kind in (set, frozenset):
        ordered = sorted(value, key=repr)
        return kind.__name__, [take(each, f"an element of {where}") for each in ordered]
    if isinstance(value, np.generic) and _NUMBERS.fullmatch(value.dtype.str):
        return "scalar", [value.dtype.str, value.tobytes().hex()]
    if kind is np.str_:
        return "text", str(value)
    if isinstance(value, type):
        return ("type", value.__name__) if _TYPES.get(value.__name__) is value else None
    return _tag_of_kind(value, take, where)


def _tag_of_kind(value: Any, take: Take, where: str) -> tuple[str, Any] | None:
    if isinstance(value, torch.dtype):
        return "torch_dtype", str(value).removeprefix("torch.")
    if isinstance(value, torch.device):
        return "torch_device", str(value)
    if isinstance(value, np.dtype):
        return ("dtype", value.str) if _ANY.fullmatch(value.str) else None
    if isinstance(value, pd.CategoricalDtype):
        if value.categories is None:
            return "categories", [None, None, bool(value.ordered)]
        names = value.categories.to_numpy(dtype=object)
        return "categories", [
            take(names, where),
            take(value.categories.dtype, where),
            bool(value.ordered),
        ]
    if isinstance(value, pd.api.extensions.ExtensionDtype):
        return ("pandas_dtype", str(value)) if _NULLABLE.fullmatch(str(value)) else None
    if type(value) is np.ndarray and value.dtype.kind in "OU":
        cells = value.ravel().tolist()
        plain = [take(each, f"{where}.flat[{k}]") for k, each in enumerate(cells)]
        return "cells", [value.dtype.str, list(value.shape), plain]
    return None


def within(where: str, key: Any) -> str:
    """Say where in a dict a value stands."""
    named = isinstance(key, str) and key.isidentifier()
    return f"{where}.{key}" if named else f"{where}[{key!r}]"


def build(tag: str, value: Any, build_: Build) -> Any:
    """Make again what `tag_of` has taken apart."""
    if tag in ("set", "frozenset"):
        return {"set": set, "frozenset": frozenset}[tag](map(build_, value))
    maker = _MAKERS.get(tag)
    if maker is None:
        raise Damaged(f"a value is marked {tag[:40]!r}, which this version does not know")
    return maker(value, build_)


def _float(value: Any, build_: Build) -> float:
    return float(struct.unpack("<d", bytes.fromhex(value))[0])


def _dict(value: Any, build_: Build) -> dict[Any, Any]:
    return {build_(key): build_(each) for key, each in value}


def _scalar(value: Any, build_: Build) -> Any:
    dtype, content = value
    return np.frombuffer(bytes.fromhex(content), dtype=_dtype(dtype, _NUMBERS))[0]


def _cells(value: Any, build_: Build) -> np.ndarray:
    dtype, shape, cells = value
    made = np.empty(len(cells), dtype=_dtype(dtype, _CELLS))
    for k, each in enumerate(cells):
        made[k] = build_(each)
    return made.reshape(shape)


def bytes_of_cells(value: Any) -> int:
    """Tell how large an array of texts or objects would be: short texts may have much room."""
    dtype, _, cells = value
    return len(cells) * _dtype(dtype, _CELLS).itemsize


def _categories(value: Any, build_: Build) -> pd.CategoricalDtype:
    names, dtype, ordered = value
    index = None if names is None else pd.Index(build_(names), dtype=build_(dtype))
    return pd.CategoricalDtype(index, ordered=bool(ordered))


def _dtype(name: Any, known: re.Pattern[str] = _ANY) -> np.dtype[Any]:
    if not isinstance(name, str) or not known.fullmatch(name):
        raise Damaged(f"{str(name)[:40]!r} is no kind of number")
    return np.dtype(name)


def _pandas_dtype(value: Any, build_: Build) -> Any:
    if not _NULLABLE.fullmatch(value):
        raise Damaged(f"{value[:40]!r} is no kind of column")
    return pd.api.types.pandas_dtype(value)


_MAKERS: dict[str, Callable[[Any, Build], Any]] = {
    "float": _float,
    "tuple": lambda value, build_: tuple(map(build_, value)),
    "dict": _dict,
    "slice": lambda value, build_: slice(*map(build_, value)),
    "scalar": _scalar,
    "text": lambda value, _: np.str_(value),
    "type": lambda value, _: _TYPES[value],
    "torch_dtype": lambda value, _: _TORCH[value],
    "torch_device": lambda value, _: torch.device(value),
    "dtype": lambda value, _: _dtype(value),
    "categories": _categories,
    "pandas_dtype": _pandas_dtype,
    "cells": _cells,
}


def array_to_tensor(array: np.ndarray) -> tuple[torch.Tensor, list[Any]] | None:
    """Give numbers as a tensor, and what is to be known besides: dtype, and order in memory."""
    if not _NUMBERS.fullmatch(array.dtype.str) or array.dtype.kind == "c":
        return None
    if array.dtype.itemsize > 8:
        return None
    turned = array.flags.f_contiguous and not array.flags.c_contiguous
    plain = array.T if turned else array
    native = np.array(plain, dtype=array.dtype.newbyteorder("="), order="C")
    return torch.from_numpy(native.view(_stored(native.dtype))), [
        array.dtype.str,
        "F" if turned else "C",
    ]


def tensor_to_array(tensor: torch.Tensor, dtype: Any, order: Any) -> np.ndarray:
    """Undo `array_to_tensor`."""
    wanted = _dtype(dtype, _NUMBERS)
    native = wanted.newbyteorder("=")
    plain = tensor.numpy()
    if plain.dtype != _stored(native) or order not in ("C", "F"):
        raise Damaged("an array is of another kind than its tensor")
    made = np.array(plain.view(native), dtype=wanted, order="C")
    return made.T if order == "F" else made


def _stored(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Give what stands for numbers in the file: early versions of its library know no others."""
    unsigned = dtype.kind == "u" and dtype.itemsize > 1
    return np.dtype(f"i{dtype.itemsize}") if unsigned else dtype
