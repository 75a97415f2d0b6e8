"""No module takes more memory than the weights of its file account for."""

from __future__ import annotations

import math
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

from skedema.persistence._errors import Damaged

_MAKE = {
    "empty",
    "empty_strided",
    "zeros",
    "ones",
    "full",
    "rand",
    "randn",
    "new_empty",
    "new_zeros",
}
# A decoder that is made and taken off again, a copy, tables of positions.
_TIMES, _BESIDES = 16, 2**28


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
        if func.__name__.partition(".")[0] in _MAKE:
            sizes = next((each for each in args if isinstance(each, (list, tuple))), ())
            self.left -= 8 * math.prod(sizes)
            if self.left < 0:
                raise Damaged("a module would be far larger than its weights")
        return func(*args, **(kwargs or {}))
