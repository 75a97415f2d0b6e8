"""Patients and classifiers that several tests of evaluation share."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold

N = 90
RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(N, 3)), columns=["sodium", "glucose", "age"])
X["age"] = 40 + 30 * RNG.random(N)
Y = (X["sodium"] + RNG.normal(size=N) > 0.2).astype(int)
PATIENTS = np.r_[np.arange(60), np.arange(30)]
SITE = np.array(["A", "B", "C"])[RNG.integers(0, 3, N)]
FOLDS = RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0)


class OnColumn(LogisticRegression):
    def __init__(self, column=0):
        super().__init__()
        self.column = column

    def fit(self, X, y):
        return super().fit(np.asarray(X)[:, [self.column]], y)

    def predict_proba(self, X):
        return super().predict_proba(np.asarray(X)[:, [self.column]])

    def predict(self, X):
        return (self.predict_proba(X)[:, 1] >= 0.5).astype(int)


MODELS = {"good": OnColumn(0), "bad": OnColumn(1), "prevalence": DummyClassifier()}


class OfNumbers(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.full((len(X), 2), 0.5)

    def predict(self, X):
        return self.classes_[np.ones(len(X), dtype=int)]


def arrays(result, name):
    """Probabilities of shape (repeats, rows)."""
    table = result.predictions
    table = table[table["estimator"] == name]
    return table.pivot(index="repeat", columns="row", values="probability").to_numpy()


def mixed():
    return pd.DataFrame(
        {
            "count": np.arange(60) % 7,
            "flag": np.arange(60) % 2 == 0,
            "sex": np.where(np.arange(60) % 3, "m", "f"),
            "site": pd.Categorical(np.where(np.arange(60) % 4, "A", "B")),
            "nullable": pd.array(np.arange(60) % 5, dtype="Int64"),
            "objects": pd.Series(["x", None, "y"] * 20, dtype=object),
            "small": np.linspace(0, 1, 60, dtype=np.float32),
        }
    )
