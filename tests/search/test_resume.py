from __future__ import annotations

import errno
import os
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from optuna.distributions import FloatDistribution
from optuna.storages import InMemoryStorage
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_classification
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_validate

from skedema.search import StudySearchCV

X, Y = make_classification(90, 5, flip_y=0.3, random_state=0)
C = {"C": FloatDistribution(1e-4, 10, log=True)}
COLUMNS = ["state", "score", "n_folds", "C"]


class Interrupted(ClassifierMixin, BaseEstimator):
    """Logistic regression that is interrupted in one fit."""

    fits = 0
    at = None

    def __init__(self, C=1.0, verbose=0, memory=None, n_jobs=None):
        self.C = C
        self.verbose = verbose
        self.memory = memory
        self.n_jobs = n_jobs

    def fit(self, X, y):
        cls = type(self)
        cls.fits += 1
        if cls.fits == cls.at:
            raise KeyboardInterrupt
        self.model_ = LogisticRegression(C=self.C).fit(X, y)
        self.classes_ = self.model_.classes_
        return self

    def predict_proba(self, X):
        return self.model_.predict_proba(X)

    def predict(self, X):
        return self.model_.predict(X)


@pytest.fixture(autouse=True)
def _uninterrupted(monkeypatch):
    monkeypatch.setattr(Interrupted, "fits", 0)
    monkeypatch.setattr(Interrupted, "at", None)


def search(storage, **parameters):
    given = {
        "n_trials": 14,
        "cv": 5,
        "scoring": "neg_log_loss",
        "random_state": 0,
        "storage": storage,
    } | parameters
    return StudySearchCV(given.pop("estimator", Interrupted()), given.pop("space", C), **given)


@pytest.fixture(params=["journal", pytest.param("sqlite", marks=pytest.mark.slow), "memory"])
def storage(request, tmp_path):
    return {
        "journal": tmp_path / "study.journal",
        "sqlite": f"sqlite:///{tmp_path / 'study.db'}",
        "memory": InMemoryStorage(),
    }[request.param]


def test_interrupted_search_goes_on_to_what_it_would_have_been(storage):
    whole = search(None).fit(X, Y)
    assert "pruned" in set(whole.trials_["state"])
    Interrupted.fits, Interrupted.at = 0, 38
    with pytest.raises(KeyboardInterrupt):
        search(storage).fit(X, Y)
    Interrupted.at = None
    resumed = search(storage).fit(X, Y)
    assert (resumed.trials_["state"] == "fail").sum() == 1  # the one that was interrupted
    kept = resumed.trials_[resumed.trials_["state"] != "fail"].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept[COLUMNS], whole.trials_[COLUMNS])
    assert resumed.best_params_ == whole.best_params_
    assert resumed.best_score_ == whole.best_score_


@pytest.mark.parametrize("at", [3, 30, 56, 57])
def test_search_that_found_the_disk_full_goes_on_in_the_same_process(tmp_path, monkeypatch, at):
    path, fsync, calls = tmp_path / "study.journal", os.fsync, []

    def full(handle):
        calls.append(handle)
        if len(calls) >= at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return fsync(handle)

    whole = search(None, n_trials=6).fit(X, Y)
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space left") as no:
            search(path, n_trials=6).fit(X, Y)
    assert any(f"The study in {path} cannot be written" in note for note in no.value.__notes__)
    resumed = search(path, n_trials=6).fit(X, Y)
    states = [trial.state.name for trial in resumed.study_.trials]
    assert "RUNNING" not in states
    kept = resumed.trials_[resumed.trials_["state"] != "fail"].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept[COLUMNS], whole.trials_[COLUMNS])
    assert os.listdir(tmp_path) == ["study.journal"]


def test_finished_search_is_only_refitted(storage):
    first = search(storage, n_trials=3).fit(X, Y)
    Interrupted.fits = 0
    again = search(storage, n_trials=3).fit(X, Y)
    assert Interrupted.fits == 1
    assert again.best_params_ == first.best_params_
    fewer = search(storage, n_trials=2).fit(X, Y)
    assert len(fewer.trials_) == 3
    more = search(storage, n_trials=5).fit(X, Y)
    assert len(more.trials_) == 5
    assert more.trials_["C"].nunique() == 5


def test_trials_of_failed_fits_are_made_up_for(tmp_path):
    class Fragile(Interrupted):
        broken = True

        def fit(self, X, y):
            if self.broken:
                raise RuntimeError("a disk is full")
            return super().fit(X, y)

    path = tmp_path / "study.journal"
    with pytest.raises(RuntimeError, match="a disk is full"):
        search(path, estimator=Fragile(), n_trials=2).fit(X, Y)
    Fragile.broken = False
    with pytest.warns(FitFailedWarning, match="2 of 4 trials failed"):
        found = search(path, estimator=Fragile(), n_trials=2).fit(X, Y)
    assert found.trials_["state"].tolist() == ["fail"] * 2 + ["complete"] * 2
    assert found.trials_["C"].nunique() == 4  # other draws than those that failed


def test_nested_cross_validation_resumes_fold_by_fold(tmp_path):
    outer = StratifiedKFold(3, shuffle=True, random_state=0)
    whole = cross_validate(search(None, n_trials=3, cv=3), X, Y, cv=outer)
    resumable = search(tmp_path / "nested.journal", n_trials=3, cv=3)
    Interrupted.fits, Interrupted.at = 0, 15
    with pytest.raises(KeyboardInterrupt):
        cross_validate(resumable, X, Y, cv=outer)
    Interrupted.fits, Interrupted.at = 0, None
    resumed = cross_validate(resumable, X, Y, cv=outer)
    np.testing.assert_array_equal(resumed["test_score"], whole["test_score"])
    assert Interrupted.fits < 3 * (3 * 3 + 1)


def test_a_trial_is_interrupted_though_a_fold_of_it_failed():
    class Fragile(Interrupted):
        def fit(self, X, y):
            super().fit(X, y)
            if self.fits == 6:
                raise RuntimeError("a disk is full")
            return self

    store = InMemoryStorage()
    Interrupted.fits = Fragile.fits = 0
    Fragile.at = 8
    with pytest.raises(KeyboardInterrupt):
        search(store, n_trials=3, estimator=Fragile(), error_score=-9.0).fit(X, Y)
    Fragile.at = None
    with pytest.warns(FitFailedWarning, match="1 of 4 trials failed"):
        found = search(store, n_trials=3, estimator=Fragile(), error_score=-9.0).fit(X, Y)
    whole = search(None, n_trials=3).fit(X, Y)
    kept = found.trials_[found.trials_["state"] != "fail"]
    assert kept["C"].tolist() == whole.trials_["C"].tolist()


def test_pickled_search_predicts_without_its_storage(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = search("study.journal", n_trials=2, estimator=LogisticRegression()).fit(X, Y)
    content = pickle.dumps(found)
    monkeypatch.chdir("/")
    assert len(pickle.loads(content).study_.trials) == 2
    (tmp_path / "study.journal").unlink()
    again = pickle.loads(content)
    np.testing.assert_array_equal(again.predict(X), found.predict(X))
    assert len(again.trials_) == 2


_SCRIPT = """
import sys

from sklearn.datasets import make_classification
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from optuna.distributions import FloatDistribution

from skedema.search import StudySearchCV

X, y = make_classification(60, 4, random_state=0)


def score(estimator, X, y):
    return estimator.score(X, y)


space = {"C": FloatDistribution(0.1, 1.0)}
search = StudySearchCV(
    LogisticRegression(), space, n_trials=int(sys.argv[2]), cv=2, storage=sys.argv[1], scoring=score
)
print(len(search.fit(X, y).trials_), search.study_.study_name)
"""


@pytest.mark.slow
def test_script_that_runs_again_in_a_new_process_finds_its_study(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(_SCRIPT)
    said = [
        subprocess.run(
            [sys.executable, script, tmp_path / "study.journal", str(n_trials)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for n_trials in (2, 3)
    ]
    assert [n for n, _ in said] == ["2", "3"]
    assert said[0][1] == said[1][1]
