"""The learnable embedding of a missing value against mean imputation, on simulated patients."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.impute import SimpleImputer
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

from skedema import AttentionMixerClassifier

SEEDS = range(3)


def draw(n: int, seed: int, missing: str) -> tuple[pd.DataFrame, np.ndarray]:
    """Draw patients with five variables; osmolality goes missing, by chance or for a reason."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    X = pd.DataFrame(rng.normal(size=(n, 5)), columns=["age", "gcs", "sodium", "ph", "osmolality"])
    X["gcs"] -= 0.8 * y
    X["osmolality"] += 1.2 * y
    rate = {"by chance": 0.3, "when healthy": np.where(y == 1, 0.1, 0.6)}[missing]
    X.loc[rng.random(n) < rate, "osmolality"] = np.nan
    return X, y


def compare(missing: str) -> tuple[np.ndarray, np.ndarray]:
    """Train on 300 patients and test on 3,000; AUC of either way, a seed each."""
    learned, imputed = [], []
    for seed in SEEDS:
        X, y = draw(300, seed, missing)
        X_test, y_test = draw(3000, 100 + seed, missing)
        model = AttentionMixerClassifier(random_state=seed)
        pipeline = make_pipeline(SimpleImputer(strategy="mean"), model)
        for scores, estimator in ((learned, model), (imputed, pipeline)):
            proba = estimator.fit(X, y).predict_proba(X_test)[:, 1]
            scores.append(roc_auc_score(y_test, proba))
    print(
        f"\nosmolality missing {missing}: AUC {np.mean(learned):.3f} +- "
        f"{np.std(learned, ddof=1):.3f} with the learnable embedding, {np.mean(imputed):.3f} +- "
        f"{np.std(imputed, ddof=1):.3f} with mean imputation"
    )
    return np.array(learned), np.array(imputed)


@pytest.mark.slow
def test_embedding_uses_what_absence_tells(capsys):
    with capsys.disabled():
        learned, imputed = compare("when healthy")
    assert (learned > imputed + 0.02).all()


@pytest.mark.slow
def test_embedding_costs_little_where_values_are_missing_by_chance(capsys):
    with capsys.disabled():
        learned, imputed = compare("by chance")
    assert learned.mean() > imputed.mean() - 0.01
