from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from skedema.clinical._giveaways import alone
from skedema.frames import read_table

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


def test_auc_of_a_number_is_that_of_scikit_learn():
    (column,) = read_table(CLEAN[["sodium"]]).columns
    wanted = roc_auc_score(1 - Y, CLEAN["sodium"])
    assert alone(column, Y) >= wanted - 1e-9 > 0.6
    assert alone(column, Y) == pytest.approx(wanted, abs=0.03)
