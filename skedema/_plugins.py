"""From what a parameter holds, a name or an object, to a plug-in that can build its module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.base import clone
from torch import nn

from skedema._registry import Registry


def can_build(thing: Any) -> bool:
    """Tell whether something is an object with a build method, and no class or torch module."""
    return not isinstance(thing, (type, nn.Module)) and callable(getattr(thing, "build", None))


def build(plugin: Any, **arguments: Any) -> Any:
    """Let a plug-in build its module, which remembers what it was made of, to be made again."""
    module = plugin.build(**arguments)
    if isinstance(module, nn.Module):
        # A copy: the plug-in may be given other parameters later.
        module.made_of = (clone(plugin, safe=False), arguments)  # type: ignore[assignment]
    return module


def resolve(given: Any, registry: Registry, is_plugin: Callable[[Any], bool] = can_build) -> Any:
    """Give the plug-in that a parameter holds, as a registered name or as an object.

    `is_plugin` tells a plug-in of this kind from anything else. An error says what was given
    instead: an unknown name, a class, a torch module, or a name that leads to something else.
    """
    kind = registry.kind
    if isinstance(given, str):
        made = registry.make(given)
        if not is_plugin(made):
            raise TypeError(
                f"{kind} {given!r} was registered, but calling what was registered gives {made!r}, "
                "which is no object with a build method."
            )
        return made
    if is_plugin(given):
        return given
    if isinstance(given, type):
        raise TypeError(
            f"{kind}={given.__name__} is a class; give an object: {kind}={given.__name__}()."
        )
    if isinstance(given, nn.Module):
        raise TypeError(
            f"{kind} is a live torch module ({type(given).__name__}), whose weights every clone "
            "would share: a fold would start from what another fold learned. Give an object whose "
            "build method makes the module."
        )
    raise TypeError(
        f"{kind} must be one of the names {', '.join(map(repr, registry.names()))}, or an "
        f"object with a build method; got {given!r}."
    )
