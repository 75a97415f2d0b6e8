"""What an object is, by its content: two that would compute the same have the same digest."""

from __future__ import annotations

import dis
import pickle
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType, FunctionType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from joblib.hashing import NumpyHasher
from torch import Tensor, nn

from skedema._caching.digest import digest


def identity(thing: object) -> str | None:
    """Digest an object with all it holds: parameters, fitted arrays, tensors, code.

    It is `joblib.hash`, which pickles into a digest, with two things mended. A tensor counts by
    its numbers; pickled, it would count by its address. A function or class counts by its
    compiled code as well as its name, so that one that was edited is another; functions of
    ``__main__`` (a script or a notebook) also by the globals they use. What an object's parameters
    only name, such as a file, it tells by a method ``_named``, whose result counts as well.

    Parameters
    ----------
    thing : object
        An estimator, a torch module, or any object that can be pickled.

    Returns
    -------
    str or None
        SHA-256 in hexadecimal, the same in other processes of one Python version. None for what
        cannot be pickled.

    Notes
    -----
    Not seen is a change in code that the object's own code calls outside of ``__main__``.
    """
    try:
        return str(_Hasher().hash(thing))
    except (pickle.PicklingError, TypeError, AttributeError, RecursionError):
        return None


def module_identity(module: nn.Module) -> str | None:
    """Digest a torch module as `identity` does, again only after its weights have changed.

    A change of weights is told by torch's own count of changes, which misses those of a fused
    optimizer, and therefore by the sum of their bits, in large tensors over some thousands of
    numbers: what goes round the count and changes less is not seen.
    """
    stamp = (module.training, *((id(t), t._version, _sum_of_bits(t)) for t in _tensors(module)))
    last = _LAST.get(module)
    if last is None or last[0] != stamp:
        last = _LAST[module] = (stamp, identity(module))
    return last[1]


_LAST: WeakKeyDictionary[nn.Module, tuple[tuple[Any, ...], str | None]] = WeakKeyDictionary()


def _tensors(module: nn.Module) -> Iterator[Tensor]:
    yield from module.parameters()
    yield from module.buffers()


def _sum_of_bits(tensor: Tensor) -> int:
    words = tensor.detach().view(_WORDS[tensor.element_size()])
    step = words.numel() // _LOOKED_AT
    return int((words.flatten()[::step] if step > 1 else words).sum())


_LOOKED_AT = 2**14  # numbers of a tensor
_WORDS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64, 16: torch.int64}


class _Hasher(NumpyHasher):
    def __init__(self) -> None:
        super().__init__(hash_name="sha256")
        self._seen: set[FunctionType] = set()

    def save(self, obj: Any) -> None:
        if isinstance(obj, Tensor):
            obj = ("tensor", str(obj.dtype), tuple(obj.shape), _bytes_of(obj))
        elif isinstance(obj, FunctionType):
            parts = () if obj in self._seen else _parts(obj)  # it may use itself
            self._seen.add(obj)
            obj = ("function", obj.__module__, obj.__qualname__, *parts)
        elif isinstance(obj, type):
            obj = ("class", obj.__module__, obj.__qualname__, _class_code(obj))
        elif isinstance(obj, ModuleType):
            obj = ("module", obj.__name__)
        elif callable(getattr(type(obj), "_named", None)):
            obj = ("object", type(obj), obj.__getstate__(), obj._named())
        super().save(obj)


def _bytes_of(tensor: Tensor) -> np.ndarray:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return np.asarray(flat.view(torch.uint8).numpy())


def _parts(function: FunctionType) -> tuple[Any, ...]:
    """List what a function computes with."""
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    names = function.__globals__ if function.__module__ == "__main__" else {}
    used = {name: names[name] for name in _names(function.__code__) if name in names}
    return _code(function.__code__), function.__defaults__, function.__kwdefaults__, cells, used


@lru_cache(maxsize=1024)
def _class_code(cls: type) -> str:
    found = []
    for base in cls.__mro__:
        for name, value in sorted(vars(base).items(), key=lambda item: item[0]):
            function = getattr(value, "__func__", getattr(value, "fget", value))
            if isinstance(function, FunctionType):
                found.append(f"{base.__qualname__}.{name}:{_code(function.__code__)}")
    return digest(*found)


def _code(code: CodeType) -> str:
    constants = []
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            constants.append(_code(constant))
        elif isinstance(constant, frozenset):  # its order differs from process to process
            constants.append(repr(sorted(map(repr, constant))))
        else:
            constants.append(repr(constant))
    return digest(code.co_code, *constants, repr((code.co_names, code.co_varnames)))


def _names(code: CodeType) -> Iterator[str]:
    """Give the names of the globals that a code uses."""
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield str(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
