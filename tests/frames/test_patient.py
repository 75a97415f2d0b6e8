from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl

from skedema.frames import read_patient

N = 12


_RNG = np.random.default_rng(0)


X = pd.DataFrame(
    {
        "sodium": _RNG.normal(138, 5, N),
        "scan": pd.Series([_RNG.normal(40, 10, (8, 8, 8)) for _ in range(N)], dtype=object),
        "sex": ["f", "m"] * (N // 2),
        "coma": [True, False, False] * (N // 3),
        "grade": pd.Categorical([1, 2, 3, 1] * (N // 4)),
        "count": np.arange(N) % 5,
    }
)


X.index = [f"P{k}" for k in range(N)]


X.loc["P1", ["sodium", "sex"]] = None


X.loc["P2", "scan"] = None


KEYS = list(X.columns)


def test_anything_else_is_left_to_others():
    for other in (X, X.to_numpy(), [1, 2], None, "sodium", pl.Series([1.0])):
        assert read_patient(other, KEYS) is None
