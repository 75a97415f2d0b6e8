"""No module takes more memory, or more steps to make, than the weights of its file account for."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from skedema.persistence._errors import Damaged

# A decoder that is made and taken off again, a copy, tables of positions.
_TIMES, _BESIDES = 16, 2**28
_A_STEP = 2**12  # bytes; of the objects around a tensor, however small it is


class Bounded(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Refuses tensors, before they are made, that are together larger than weights explain.

    Parameters
    ----------
    n_bytes : int
        Of all weights.
    """

    def __init__(self, n_bytes: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.left = _TIMES * n_bytes + _BESIDES

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count what is made anew."""
        kwargs = kwargs or {}
        self.left -= _A_STEP + _new_bytes(func, args, kwargs)
        if self.left < 0:
            raise Damaged("a module would be far larger than its weights")
        return func(*args, **kwargs)


def _new_bytes(func: Any, args: Any, kwargs: Any) -> int:
    """Tell how large what a function makes would be, by making it of tensors without numbers."""
    if all(each.alias_info is not None for each in func._schema.returns):
        return 0  # in place, or a view
    args, kwargs = tree_map(_without_numbers, (args, dict(kwargs)))
    if any(each.name == "device" for each in func._schema.arguments):
        kwargs["device"] = torch.device("meta")
    try:
        made = func(*args, **kwargs)
    except (RuntimeError, NotImplementedError):  # its size depends on numbers, of which all exist
        return 0
    return sum(each.nbytes for each in tree_leaves(made) if isinstance(each, Tensor))


def _without_numbers(value: Any) -> Any:
    return value.to("meta") if isinstance(value, Tensor) else value
