"""Labels of two classes, and which of them is the positive one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def positives(label: Any, pos_label: Any = None, name: str = "label") -> NDArray[np.bool_]:
    """Tell which rows are of the positive class.

    Without `pos_label` it is 1 of 0 and 1, of -1 and 1, and True of False and True; anything else
    is an error, as in scikit-learn's metrics of two classes.
    """
    values = np.asarray(label)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"{name} must be one-dimensional and hold at least one row.")
    if pos_label is not None:
        found = np.asarray(values == pos_label, dtype=bool)
        if len(np.unique(values[~found])) > 1:
            raise ValueError(f"{name} holds more than pos_label={pos_label!r} and one other class.")
        return found
    classes = set(np.unique(values).tolist())
    if not (classes <= {0, 1} or classes <= {-1, 1}):
        raise ValueError(
            f"{name} must hold 1 (or True) for the positive class and 0, -1 (or False) for the "
            f"other, got {sorted(classes, key=repr)[:5]}. Or give pos_label= the positive class."
        )
    positive: NDArray[np.bool_] = values == 1
    return positive
