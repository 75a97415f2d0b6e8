"""Patients whose label depends on sodium and on the side, and a model of them."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd

from skedema import AttentionMixerClassifier

N = 80


@functools.cache
def cohort():
    rng = np.random.default_rng(3)
    X = pd.DataFrame(
        {
            "sodium": rng.normal(138, 5, N),
            "gcs": rng.integers(3, 16, N).astype(float),
            "side": rng.choice(["left", "right", "both"], N),
            "coma": rng.random(N) < 0.4,
            "noise": rng.normal(size=N),
        },
        index=[f"P{k}" for k in range(N)],
    )
    risk = -0.6 * (X["sodium"] - 138) + 2.5 * (X["side"] == "left") - 0.8
    y = np.where(risk + rng.normal(size=N) > 0, "edema", "none")
    X.loc[X.index[::6], "sodium"] = np.nan
    X.loc[X.index[::7], "side"] = None
    return X, y


@functools.cache
def model():
    return AttentionMixerClassifier(random_state=0).fit(*cohort())


def patient(**values):
    return {"sodium": 128.0, "gcs": 12, "side": "left", "coma": False, "noise": 0.1} | values
