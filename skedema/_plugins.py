"""From what a parameter holds, a name or an object, to a plug-in that can build its module."""

from __future__ import annotations

from typing import Any

from torch import nn

from skedema._registry import Registry


def resolve(given: Any, registry: Registry) -> Any:
    """Resolve a plug-in parameter.

    Parameters
    ----------
    given : str or object
        A registered name, or an object with a ``build`` method.
    registry : Registry
        Where names are looked up.

    Returns
    -------
    object
        With a ``build`` method.

    Raises
    ------
    ValueError
        When the name is unknown.
    TypeError
        For a class, a torch module, or anything that cannot build.
    """
    kind = registry.kind
    if isinstance(given, str):
        return registry.make(given)
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
    if not callable(getattr(given, "build", None)):
        raise TypeError(
            f"{kind} must be one of the names {', '.join(map(repr, registry.names()))}, or an "
            f"object with a build method; got {given!r}."
        )
    return given
