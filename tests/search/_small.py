"""A small search that several tests share."""

from __future__ import annotations

from optuna.distributions import FloatDistribution
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

from skedema.search import StudySearchCV

X, Y = make_classification(90, 5, flip_y=0.3, random_state=0)
C = {"C": FloatDistribution(1e-4, 10, log=True)}


def search(**parameters):
    given = {"n_trials": 5, "cv": 3, "random_state": 0} | parameters
    return StudySearchCV(
        given.pop("estimator", LogisticRegression()), given.pop("space", C), **given
    )
