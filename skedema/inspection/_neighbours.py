"""The patients among others who are nearest to one, as the model sees them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from skedema._training.patients import Patients


def neighbours(
    clf: Any, patient: Patients, others: Patients, labels: NDArray[Any], proba: Any, n: int
) -> pd.DataFrame:
    """Give the nearest of other patients.

    The distance is the Euclidean one between what the network's last layer is given, of all members
    side by side, over the median distance of two of the others: about 1 is as far as any two
    patients are, and 0 is a patient whom the model cannot tell from this one.

    Returns
    -------
    DataFrame
        A row a patient, the nearest first: ``row``, the position among the others; ``distance``,
        ``label``, ``probability`` of the class.
    """
    own, theirs = (_seen(clf, each) for each in (patient, others))
    distance = np.linalg.norm(theirs - own, axis=1) / _typical(theirs)
    nearest = np.argsort(distance, kind="stable")[:n]
    return pd.DataFrame(
        {
            "row": nearest,
            "distance": distance[nearest],
            "label": labels[nearest],
            "probability": np.asarray(proba)[nearest],
        }
    )


def _seen(clf: Any, patients: Patients) -> NDArray[np.float64]:
    """Give what the last layer of each member is given, (n, members times dim)."""

    def pooled(**inputs: torch.Tensor) -> torch.Tensor:
        return torch.cat([member.pooled(**inputs) for member in clf.net_.module_.members], dim=1)

    return np.asarray(clf.net_.evaluate(patients, pooled), dtype=np.float64)


def _typical(points: NDArray[np.float64]) -> float:
    """Give the median distance between two of at most 500 points; 1 where they are all one."""
    some = points[np.linspace(0, len(points) - 1, min(len(points), 500)).astype(int)]
    squares = (some**2).sum(axis=1)
    between = np.sqrt(np.maximum(squares[:, None] + squares - 2 * some @ some.T, 0))
    typical = float(np.median(between[np.triu_indices(len(some), 1)])) if len(some) > 1 else 0.0
    return typical or 1.0
