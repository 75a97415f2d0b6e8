"""Parts of patients by a number, so that a split has the small and the large on both sides."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Tenths, or coarser where a part has fewer than ten.
_PARTS, _IN_A_PART = 10, 10


def strata_of(numbers: Any) -> NDArray[np.intp]:
    """Give each number the code of its part, in order; equal ones may be in two."""
    n = len(numbers)
    n_parts = max(1, min(_PARTS, n // _IN_A_PART))
    rank = np.empty(n, dtype=np.intp)
    rank[np.argsort(numbers, kind="stable")] = np.arange(n)
    return rank * n_parts // n
