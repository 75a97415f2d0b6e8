from __future__ import annotations

from threading import Lock

import numpy as np
import optuna
import pandas as pd
import pytest
from joblib import Memory
from optuna.distributions import FloatDistribution
from optuna.samplers import RandomSampler
from optuna.storages import InMemoryStorage
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

from skedema.search import StudySearchCV

X, Y = make_classification(90, 5, flip_y=0.3, random_state=0)
C = {"C": FloatDistribution(1e-4, 10, log=True)}


class Model(ClassifierMixin, BaseEstimator):
    """Logistic regression, with parameters that change nothing."""

    def __init__(self, C=1.0, verbose=0, memory=None, n_jobs=None):
        self.C = C
        self.verbose = verbose
        self.memory = memory
        self.n_jobs = n_jobs

    def fit(self, X, y):
        self.model_ = LogisticRegression(C=self.C).fit(X, y)
        self.classes_ = self.model_.classes_
        return self

    def predict_proba(self, X):
        return self.model_.predict_proba(X)


def search(storage, **parameters):
    given = {"n_trials": 14, "cv": 5, "scoring": "neg_log_loss", "random_state": 0} | parameters
    return StudySearchCV(
        given.pop("estimator", Model()), given.pop("space", C), storage=storage, **given
    )


def test_what_does_not_change_a_score_may_change(tmp_path):
    path = tmp_path / "study.journal"
    search(path, study_name="one", n_trials=2).fit(X, Y)
    estimator = Model(verbose=1, memory=Memory(None, verbose=0), n_jobs=3)
    found = search(path, study_name="one", n_trials=3, estimator=estimator, random_state=5)
    assert len(found.fit(pd.DataFrame(X).to_numpy(), Y).trials_) == 3


@pytest.mark.parametrize(
    ("changed", "X_", "y_", "parts"),
    [
        ({"estimator": LogisticRegression()}, X, Y, "another estimator"),
        ({"estimator": Model(C=3.0)}, X, Y, "another estimator"),
        ({"space": {"C": FloatDistribution(1e-4, 20)}}, X, Y, "another space"),
        ({"scoring": "roc_auc"}, X, Y, "another scoring"),
        ({"cv": 4}, X, Y, "another cv. Shuffled folds"),
        ({}, X + 1e-12, Y, "another X"),
        ({}, X[:-1], Y[:-1], "another cv, another X, another y"),
        ({"cv": [(np.arange(45), np.arange(45, 90))]}, X, 1 - Y, "another cv, another y"),
    ],
)
def test_going_on_with_something_else_is_refused_by_name(tmp_path, changed, X_, y_, parts):
    path = tmp_path / "study.journal"
    search(path, study_name="edema", n_trials=1).fit(X, Y)
    with pytest.raises(ValueError, match=f"'edema' cannot go on.*{parts}.*another study_name"):
        search(path, study_name="edema", n_trials=1, **changed).fit(X_, y_)


def test_without_a_name_different_searches_in_one_storage_keep_apart(tmp_path):
    path = tmp_path / "study.journal"
    for changed in ({}, {"random_state": 1}, {"sampler": RandomSampler(seed=0)}, {"cv": 3}, {}):
        assert len(search(path, n_trials=2, **changed).fit(X, Y).trials_) == 2
    stored = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    names = optuna.get_all_study_names(stored)
    assert len(names) == 4
    assert all(name.startswith("skedema-") for name in names)


def test_objects_that_cannot_be_digested_are_named():
    class Scorer:
        def __init__(self):
            self.lock = Lock()

        def __call__(self, estimator, X, y):
            return 0.5

    with pytest.raises(TypeError, match="scoring cannot be told from others"):
        search(InMemoryStorage(), scoring=Scorer()).fit(X, Y)
