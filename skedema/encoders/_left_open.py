"""What a transformer leaves open is filled in by who fits it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def fill_left_open(transformer: Any, context: Mapping[str, Any], random_state: Any) -> None:
    """Set the parameters of a `context` that a transformer has and that are None.

    So are its own ``random_state`` and those of its parts; a ``verbose`` of 0 is open, too.
    """
    params = transformer.get_params()
    seeds = [name for name in params if name.split("__")[-1] == "random_state"]
    context = {**context, **dict.fromkeys(seeds, random_state)}
    is_open = {name: params[name] is None for name in params}
    is_open["verbose"] = params.get("verbose") in (0, False)
    left_open = {
        name: value
        for name, value in context.items()
        if name in params and is_open[name] and value is not None
    }
    if left_open:
        transformer.set_params(**left_open)
