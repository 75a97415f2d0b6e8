"""How much a model goes by each part of the scan's features."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from skedema._training.patients import Patients
from skedema.frames import Table

Score = Callable[[Patients], float]


def importance_frame(
    score: Score,
    patients: Patients,
    widths: dict[str, int],
    n_repeats: int,
    rng: np.random.RandomState,
) -> pd.DataFrame:
    """Tabulate how a score drops; see `FusedEstimator.scan_importance`."""
    rows = torch.nonzero(patients.present).flatten()
    if len(rows) < 2:
        raise ValueError(
            f"Scans cannot change places: {len(rows)} of {len(patients)} patients in X have one, "
            "and two are needed."
        )
    widths = widths or {"scan": patients.features.shape[-1]}
    whole, drops, start = score(patients), [], 0
    for width in widths.values():
        columns = slice(start, start + width)
        start += width
        found = []
        for _ in range(n_repeats):
            features = patients.features.clone()
            other = rows[torch.as_tensor(rng.permutation(len(rows)))]
            features[rows, :, columns] = patients.features[other, :, columns]
            found.append(whole - score(replace(patients, features=features)))
        drops.append(found)
    names = pd.Index(widths, name="part")
    table = np.array(drops)
    frame = pd.DataFrame({"importance": table.mean(axis=1), "std": table.std(axis=1)}, index=names)
    frame.attrs["score"] = whole
    return frame


def score_of(estimator: Any, scorer: Callable[..., float], X: Any, y: Any, table: Table) -> Score:
    """Score what the network makes of patients as if they were those of X, read as `table`."""

    def score(patients: Patients) -> float:
        double = copy.copy(estimator)
        double._look_at = lambda _: (table, patients)
        return float(scorer(double, X, y))

    return score
