from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skedema import AttentionMixerClassifier


@pytest.fixture(autouse=True)
def _figures_closed():
    yield
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.close("all")


@pytest.fixture(scope="package")
def patients():
    """A table with two variables that tell the same, one that tells nothing, and labels."""
    rng = np.random.default_rng(0)
    sodium = rng.normal(138, 5, 120)
    table = pd.DataFrame(
        {
            "sodium": sodium,
            "osmolality": 2 * sodium + rng.normal(0, 0.5, 120),
            "age": rng.uniform(20, 90, 120),
            "noise": rng.normal(size=120),
        }
    )
    return table, np.where(sodium + rng.normal(0, 3, 120) < 137, "edema", "none")


@pytest.fixture(scope="package")
def logistic(patients):
    table, labels = patients
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(table[::2], labels[::2])


@pytest.fixture(scope="package")
def gaps(patients):
    """The same table with gaps: age and noise together, sodium by itself."""
    table = patients[0].copy()
    table.loc[::4, ["age", "noise"]] = np.nan
    table.loc[1::8, "sodium"] = np.nan
    return table


@pytest.fixture(scope="package")
def mixer(gaps, patients):
    clf = AttentionMixerClassifier(max_epochs=3, n_members=1, random_state=0)
    return clf.fit(gaps[::2], patients[1][::2])
