"""Every class that a file may name."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from typing import Any

from torch import nn

from skedema.encoders.catalogue import _ENCODERS
from skedema.encoders.pretrained.recipe import RECIPES
from skedema.fusion.base import _FUSIONS
from skedema.persistence import _ours, _sklearn
from skedema.persistence._errors import Damaged
from skedema.persistence._modules import MODULES
from skedema.persistence._parts import Part
from skedema.refiners.base import _REFINERS

PARTS: dict[str, Part] = {**_ours.PARTS, **_sklearn.PARTS, **MODULES}
_PLUG_IN = "plug-in"
_REGISTRIES = {registry.kind: registry for registry in (_ENCODERS, _FUSIONS, RECIPES, _REFINERS)}


def part_of(name: Any) -> Part:
    """Give the part of a name, or say that there is none here."""
    if not isinstance(name, str):
        raise Damaged("a part has no name")
    if name in PARTS:
        return PARTS[name]
    word, _, rest = name.partition(":")
    kind, _, called = rest.partition(":")
    if word != _PLUG_IN:
        raise Damaged(
            f"it holds a {name[:80]!r}, which is no part that this version of skedema knows"
        )
    registry = _REGISTRIES.get(kind)
    if registry is None or called not in registry.names():
        raise Damaged(
            f"it was saved with the {kind[:40]} {called[:80]!r} of another package, which is not "
            "installed here: install that package, or register it before, and load again"
        )
    return _of_plug_in(type(registry.make(called)))


def _of_plug_in(cls: type) -> Part:
    """Say how a class of another package is kept; one that is made of ours keeps to our rules."""
    if _name_here(cls) is not None:
        # It would be free of what our table leaves out of files, such as folders.
        raise Damaged(f"it calls {cls.__name__} a plug-in, which is none")
    ours = [name for name in map(_name_here, cls.__mro__) if name is not None]
    left = {key: value for name in ours for key, value in PARTS[name].left.items()}
    return Part(cls, left=left, plug_in=True)


def _name_here(kind: type) -> str | None:
    """Give the name of a class in our own table."""
    for found in _NAMES.get((kind.__module__.partition(".")[0], kind.__qualname__), ()):
        if PARTS[found].cls is kind:
            return found
    return None


def name_of(thing: Any) -> str | None:
    """Give the name of the part that an object is, or None."""
    kind = type(thing)
    if isinstance(thing, nn.Module) and hasattr(thing, "made_of"):
        return "module.built"
    here = _name_here(kind)
    if here is not None:
        return here
    if isinstance(thing, type) or not (hasattr(thing, "get_params") or hasattr(thing, "build")):
        return None
    known = tuple(tuple(registry._factories.items()) for registry in _REGISTRIES.values())
    return _plug_ins(known).get(kind)


@lru_cache(maxsize=1)
def _plug_ins(known: Any) -> dict[type, str]:
    """Give the names of the classes of plug-ins; made anew when another is `known`."""
    found = {}
    for registry in _REGISTRIES.values():
        for called in registry.names():
            with suppress(Exception):  # one that is broken is none of an estimator
                found[type(registry.make(called))] = f"{_PLUG_IN}:{registry.kind}:{called}"
    return found


_NAMES: dict[tuple[str, str], list[str]] = {}
for _name, _part in PARTS.items():
    _module, _, _class = str(_part.home).partition(":")
    _NAMES.setdefault((_module.partition(".")[0], _class), []).append(_name)
