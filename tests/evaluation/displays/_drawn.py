"""Patients, and what stands on a figure."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression

RNG = np.random.default_rng(0)
N = 90
X = RNG.normal(size=(N, 3))
EDEMA = np.where(X[:, 0] + RNG.normal(size=N) > 0.2, "edema", "none")
KIND = np.where(X[:, 0] > 0.6, "severe", np.where(X[:, 1] > 0, "mild", "none"))
MODELS = {"weak": LogisticRegression(C=0.01), "strong": LogisticRegression()}


def line(ax, label):
    """Give the points of the line whose legend begins so."""
    (found,) = [each for each in ax.get_lines() if str(each.get_label()).startswith(label)]
    return np.array(found.get_data())


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def of(result, name, label):
    """Give labels and probabilities of one estimator; of the class that is named."""
    table = result.predictions[result.predictions["estimator"] == name].sort_values("row")
    column = "probability" if len(result.classes) == 2 else f"probability_{label}"
    return (table["label"] == label).to_numpy(), table[column].to_numpy()
