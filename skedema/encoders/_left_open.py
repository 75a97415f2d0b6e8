"""What a transformer leaves open is filled in by who fits it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def fill_left_open(transformer: Any, context: Mapping[str, Any], random_state: Any) -> None:
    """Set the parameters of a `context` that a transformer has and that are None.

    So are its own ``random_state`` and those of its parts, but for parts of what has one that is
    set: that decides for them. A ``verbose`` of 0 and a ``device`` of "auto" are open, too.
    """
    params = transformer.get_params()
    seeds = [name for name in params if _is_seed(name) and not _decided_above(name, params)]
    context = {**context, **dict.fromkeys(seeds, random_state)}
    is_open = {name: params[name] is None for name in params}
    is_open["verbose"] = params.get("verbose") in (0, False)
    is_open["device"] = params.get("device") in (None, "auto")
    left_open = {
        name: value
        for name, value in context.items()
        if name in params and is_open[name] and value is not None
    }
    if left_open:
        transformer.set_params(**left_open)


def _is_seed(name: str) -> bool:
    return name.split("__")[-1] == "random_state"


def _decided_above(name: str, params: Mapping[str, Any]) -> bool:
    *parts, _ = name.split("__")
    above = ("__".join([*parts[:depth], "random_state"]) for depth in range(len(parts)))
    return any(params.get(seed) is not None for seed in above)
