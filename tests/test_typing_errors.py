"""A single wrong value may not cost what a column tells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from skedema import AttentionMixerClassifier


def bleeds(n: int, rng: np.random.Generator) -> np.ndarray:
    """16 % have a number from 1 to 30, all others 0."""
    return np.where(rng.random(n) < 0.16, rng.integers(1, 31, n), 0).astype(float)


def coma(n: int, rng: np.random.Generator) -> np.ndarray:
    """76 % have the best score, 15."""
    return np.where(rng.random(n) < 0.24, rng.integers(3, 15, n), 15).astype(float)


def outcomes(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    severity = np.minimum(np.abs(values - np.median(values)), 8)
    return (rng.random(len(values)) < 1 / (1 + np.exp(1.2 - 0.45 * severity))).astype(int)


def fitted_auc(values: np.ndarray, y: np.ndarray, new: np.ndarray, y_new: np.ndarray) -> float:
    clf = AttentionMixerClassifier(random_state=0).fit(beside_noise(values), y)
    return roc_auc_score(y_new, clf.predict_proba(beside_noise(new))[:, 1])


def beside_noise(values: np.ndarray) -> pd.DataFrame:
    noise = np.random.default_rng(7).normal(size=(len(values), 3)).clip(-3, 3)
    return pd.DataFrame(noise, columns=["u", "v", "w"]).assign(a=values)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("draw", "slip"), [(bleeds, 1000.0), (coma, 1400.0)])
def test_one_slip_changes_what_is_learned_but_little(draw, slip, seed):
    rng = np.random.default_rng(seed)
    values, new = draw(200, rng), draw(2000, rng)
    y, y_new = outcomes(values, rng), outcomes(new, rng)
    clean = fitted_auc(values, y, new, y_new)
    row = int(np.flatnonzero((values != np.median(values)) & (y == 0))[0])
    values[row] = slip
    with pytest.warns(UserWarning, match=f"'a' holds {slip:.0f} in row {row} "):
        slipped = fitted_auc(values, y, new, y_new)
    assert slipped > clean - 0.02
