"""Whether a state that was kept is one of this network, and of this optimizer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor


def is_like(found: Any, expected: Mapping[str, Tensor]) -> bool:
    """Tell whether weights have the names, shapes and types of others, and are as finite."""
    return (
        isinstance(found, Mapping)
        and set(found) == set(expected)
        and all(_tensor(found[name], value) for name, value in expected.items())
    )


def is_state_of(
    optimizer: torch.optim.Optimizer,
    found: Any,
    *,
    idle: Iterable[Tensor] = (),
    settings: Iterable[str] = (),
) -> bool:
    """Tell whether a state is one that an optimizer like AdamW can go on from.

    It has moments of no parameter, or of each one but those that are `idle`: no gradient may have
    reached these. Of the `settings` of groups those that are named are the same.
    """
    own = optimizer.state_dict()
    if not isinstance(found, dict) or set(found) != set(own):
        return False
    groups, moments = found["param_groups"], found["state"]
    if not isinstance(groups, list) or not isinstance(moments, dict):
        return False
    if len(groups) != len(own["param_groups"]) or not all(
        _is_group(group, expected, ("params", *settings))
        for group, expected in zip(groups, own["param_groups"], strict=True)
    ):
        return False
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    unreached = {id(parameter) for parameter in idle}
    learned = {k for k, parameter in enumerate(parameters) if id(parameter) not in unreached}
    return (not moments or learned <= set(moments) <= set(range(len(parameters)))) and all(
        isinstance(moments[k], dict)
        and set(moments[k]) == {"step", "exp_avg", "exp_avg_sq"}
        and _tensor(moments[k]["exp_avg"], parameters[k])
        and _tensor(moments[k]["exp_avg_sq"], parameters[k])
        and _tensor(moments[k]["step"], torch.tensor(0.0))
        for k in moments
    )


def _tensor(found: Any, expected: Tensor) -> bool:
    return (
        isinstance(found, Tensor)
        and found.shape == expected.shape
        and found.dtype == expected.dtype
        and (_is_finite(found) or not _is_finite(expected))  # a mask may hold -inf
    )


def _is_finite(values: Tensor) -> bool:
    return bool(torch.isfinite(values).all())


def _is_group(found: Any, expected: Mapping[str, Any], fixed: Iterable[str]) -> bool:
    return (
        isinstance(found, dict)
        and all(found.get(name) == expected[name] for name in fixed)
        and type(found.get("lr")) in (int, float)
        and math.isfinite(found["lr"])
    )
