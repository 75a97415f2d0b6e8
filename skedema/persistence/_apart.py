"""A fitted estimator as plain values and named tensors, and back.

Objects stand in a list, each after those that it holds, so that there are no circles and each is
made once, however many others hold it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from torch import Tensor, nn

from skedema.encoders import Encoder
from skedema.fusion import Fusion
from skedema.persistence import _values
from skedema.persistence._bound import Bounded
from skedema.persistence._catalogue import name_of, part_of
from skedema.persistence._errors import Damaged, Unsupported
from skedema.persistence._modules import check_as_made, floating, undisturbed, with_weights
from skedema.persistence._parts import Part
from skedema.refiners import Refiner

Params = dict[str, Any]
Tensors = dict[str, Tensor]

_OF_FIT = "sklearn.model_selection._split"
_MAX_DEPTH = 60
_MAX_CELLS = 2**30  # bytes of all arrays of texts
_MAX_HELD = 10**5  # objects, each counted as often as it is held


@undisturbed
def take_apart(estimator: Any) -> tuple[Params, Tensors]:
    """Give an estimator as values that JSON holds, and the tensors that they name.

    Raises
    ------
    Unsupported
        If a part of it cannot be held; the text names it, and where it sits.
    """
    taking = _Taking()
    root = taking.take(estimator, type(estimator).__name__)
    return {"estimator": root, "objects": taking.objects}, taking.tensors


@undisturbed
def put_together(params: Params, tensors: Tensors) -> Any:
    """Make the estimator again.

    Raises
    ------
    Damaged
        If these are not values that `take_apart` gives.
    """
    n_bytes = sum(tensor.nbytes for tensor in tensors.values())
    with Bounded(n_bytes):
        return _Building(params, tensors).whole()


class _Taking:
    def __init__(self) -> None:
        self.objects: list[list[Any]] = []
        self.tensors: Tensors = {}
        self._known: dict[tuple[int, bool], Any] = {}
        self._held: list[Any] = []  # so that no identity is given twice
        self._open: set[int] = set()
        self._within_module = False

    def take(self, value: Any, where: str) -> Any:
        """Give a value in plain form."""
        if _values.is_plain(value):
            return value
        if type(value) is list:
            return [self.take(each, f"{where}[{k}]") for k, each in enumerate(value)]
        name = name_of(value)
        if name is None:
            plain = self._without_name(value, where)
            if plain is None:
                raise Unsupported(f"{where} is {_described(value)}")
            return plain
        return self._once(value, lambda: self._object(name, value, where), where)

    def _without_name(self, value: Any, where: str) -> Any:
        if isinstance(value, Tensor):
            return self._once(value, lambda: {"torch": self._tensor(value, where)}, where)
        if type(value) is np.ndarray:
            held = _values.array_to_tensor(value)
            if held is not None:
                tensor, how = held
                return self._once(
                    value, lambda: {"array": [self._tensor(tensor, where), *how]}, where
                )
        found = _values.tag_of(value, self.take, where)
        return None if found is None else {found[0]: found[1]}

    def _once(self, value: Any, make: Any, where: str) -> Any:
        """Write what several hold once."""
        key = id(value), self._within_module
        if id(value) in self._open:
            raise Unsupported(f"{where} holds itself")
        if key not in self._known:
            self._held.append(value)
            self._open.add(id(value))
            self._known[key] = make()
            self._open.discard(id(value))
        return self._known[key]

    def _object(self, name: str, value: Any, where: str) -> dict[str, Any]:
        module = isinstance(value, nn.Module)
        within, self._within_module = self._within_module, module
        fields = self._fields(part_of(name), value, where)
        self._within_module = within
        self.objects.append([name, fields])
        made = {"object": len(self.objects) - 1}
        return self._with_weights(value, made, where) if module and not within else made

    def _fields(self, part: Part, value: Any, where: str) -> dict[str, Any]:
        try:
            held = part.fields(value)
        except Unsupported as error:
            raise Unsupported(f"{where} is a {type(value).__name__}: {error}") from error
        return {key: self.take(each, f"{where}.{key}") for key, each in held.items()}

    def _with_weights(self, module: nn.Module, made: dict[str, Any], where: str) -> dict[str, Any]:
        prefix = self._free(where.partition(".")[2] or "weights")
        names = list(module.state_dict())
        for key, tensor in module.state_dict().items():
            self.tensors[f"{prefix}.{key}"] = _own(tensor)
        dtype = floating(module)
        try:
            check_as_made(module, _Building({"objects": self.objects}, self.tensors).build(made))
        except Exception as error:  # whatever a plug-in raises
            raise Unsupported(
                f"{where} is a {type(module).__name__} that cannot be made again: {error}"
            ) from error
        kind = None if dtype is None else self.take(dtype, where)
        return {"weighted": [made, prefix, names, kind]}

    def _tensor(self, tensor: Tensor, where: str) -> str:
        name = self._free(where.partition(".")[2] or "value")
        self.tensors[name] = _own(tensor)
        return name

    def _free(self, name: str) -> str:
        """Give a name that no tensor has, nor begins with."""
        name = name[-200:]
        n, found = 1, name
        while any(each == found or each.startswith(f"{found}.") for each in self.tensors):
            n, found = n + 1, f"{name}~{n + 1}"
        return found


class _Building:
    def __init__(self, params: Params, tensors: Tensors) -> None:
        self.params = params
        self.tensors = tensors
        self._objects: dict[int, Any] = {}
        self._arrays: dict[str, Any] = {}
        self._modules: dict[str, nn.Module] = {}
        self._held_by: dict[int | str, int] = {}  # an object, or weights: how many objects
        self._held = 0
        self._cells = 0
        self._depth = 0
        self._below = math.inf

    def whole(self) -> Any:
        """Make all objects, one after the other, and give the last."""
        if set(self.params) != {"estimator", "objects"}:
            raise Damaged("there is no estimator in it")
        for number in range(len(self.params["objects"])):
            self._object(number)
            self._held = 0
        return self.build(self.params["estimator"])

    def build(self, value: Any) -> Any:
        """Make a value again."""
        self._depth += 1
        try:
            if self._depth > _MAX_DEPTH:
                raise Damaged(f"it is nested more than {_MAX_DEPTH} deep")
            if isinstance(value, list):
                return [self.build(each) for each in value]
            return self._tagged(value) if isinstance(value, dict) else value
        finally:
            self._depth -= 1

    def _tagged(self, value: dict[str, Any]) -> Any:
        if len(value) != 1:
            raise Damaged(f"a value has {len(value)} marks")
        ((tag, inner),) = value.items()
        if tag == "object":
            return self._object(inner)
        if tag == "weighted":
            return self._weighted(*inner)
        if tag == "torch":
            return self._tensor(inner)
        if tag == "array":
            name, dtype, order = inner
            if name not in self._arrays:
                self._arrays[name] = _values.tensor_to_array(self._tensor(name), dtype, order)
            return self._arrays[name]
        if tag == "cells":
            self._cells += _values.bytes_of_cells(inner)
            if self._cells > _MAX_CELLS:
                raise Damaged("its texts would take far more room than they have letters")
        return _values.build(tag, inner, self.build)

    def _object(self, number: Any) -> Any:
        objects = self.params["objects"]
        if type(number) is not int or not 0 <= number < len(objects):
            raise Damaged(f"it holds no object {str(number)[:40]}")
        if number not in self._objects:
            name, fields = objects[number]
            if not self._below > number:
                raise Damaged("an object holds one that comes after it")
            below, self._below = self._below, number
            held, self._held = self._held, 0
            made = {key: self.build(value) for key, value in fields.items()}
            self._held_by[number] = self._held + 1
            self._below, self._held = below, held
            self._objects[number] = part_of(name).again(made)
        self._hold(number)
        return self._objects[number]

    def _hold(self, what: int | str) -> None:
        """Count an object with all that it holds, which whatever goes through them does, too.

        Each of two that hold the next twice doubles it: sixty such are never gone through.
        """
        self._held += self._held_by[what]
        if self._held > _MAX_HELD:
            raise Damaged("its objects hold each other too many times")

    def _weighted(self, made: Any, prefix: str, names: list[str], dtype: Any) -> nn.Module:
        if prefix in self._modules:
            self._hold(prefix)
        else:
            before = self._held
            module = self.build(made)
            self._held_by[prefix] = self._held - before
            if not isinstance(module, nn.Module):
                raise Damaged("weights are of what is no module")
            weights = {name: self._tensor(f"{prefix}.{name}") for name in names}
            self._modules[prefix] = with_weights(module, weights, self.build(dtype))
        return self._modules[prefix]

    def _tensor(self, name: Any) -> Tensor:
        if name not in self.tensors:
            raise Damaged(f"there is no tensor {str(name)[:80]!r}")
        return self.tensors[name]


def _own(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous().clone()


def _described(value: Any) -> str:
    kind = type(value)
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype}"
    if kind.__name__.endswith("SearchCV"):
        return f"a {kind.__qualname__}, which is a search: save what it found, its best_estimator_"
    own = f"a {kind.__module__}.{kind.__qualname__}"
    if kind.__module__.startswith(_OF_FIT):
        return f"{own}, which fit alone needs: set that parameter to None before it is saved"
    for base in (Encoder, Fusion, Refiner):
        if isinstance(value, base):
            remedy = f"register_{base.__name__.lower()}"
            return f"{own}, to which no name leads: give it one, by {remedy}"
    name = getattr(value, "__name__", None)
    of = f" {name}" if isinstance(name, str) else ""
    return own + of
