"""A table of patients that several tests of what tells the answer share."""

from __future__ import annotations

import numpy as np
import pandas as pd

N = 120
RNG = np.random.default_rng(0)
Y = (RNG.random(N) < 0.4).astype(int)
CLEAN = pd.DataFrame(
    {
        "age": RNG.integers(18, 95, N),
        "sodium": RNG.normal(139, 5, N) - 3 * Y,
        "gcs": np.clip(RNG.integers(3, 16, N) - 2 * Y, 3, 15),
        "sex": RNG.choice(["f", "m"], N),
        "bleeding": (RNG.random(N) < np.where(Y, 0.8, 0.1)).astype(int),
        "marker": np.where(RNG.random(N) < 0.3, np.nan, RNG.normal(Y * 1.8, 1)),
    }
)
