"""How much a model goes by each part of the scan's features."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from itertools import accumulate, pairwise
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
    scans: list[Any],
    n_repeats: int,
    rng: np.random.RandomState,
) -> pd.DataFrame:
    """Tabulate how a score drops; see `FusedEstimator.scan_importance`."""
    have = [torch.nonzero(p).flatten() for p in patients.present.view(len(patients), -1).T]
    for scan, rows in zip(scans, have, strict=True):
        if len(rows) < 2:
            which = "one" if len(scans) == 1 else f"one in column {scan!r}"
            raise ValueError(
                f"Scans cannot change places: {len(rows)} of {len(patients)} patients in X have "
                f"{which}, and two are needed."
            )
    n_tokens = patients.features.shape[1] // len(scans)
    stops = list(accumulate(widths.values()))
    whole, drops = score(patients), []
    for k, rows in enumerate(have):
        tokens = slice(k * n_tokens, (k + 1) * n_tokens)
        for start, stop in pairwise([0, *stops]):
            found = []
            for _ in range(n_repeats):
                features = patients.features.clone()
                other = rows[torch.as_tensor(rng.permutation(len(rows)))]
                part = patients.features[other, tokens, start:stop]
                features[rows, tokens, start:stop] = part
                found.append(whole - score(replace(patients, features=features)))
            drops.append(found)
    names = pd.Index(widths, name="part")
    if len(scans) > 1:
        names = pd.MultiIndex.from_product([scans, names], names=["scan", "part"])
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
