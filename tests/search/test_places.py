from __future__ import annotations

import optuna
from optuna.distributions import FloatDistribution
from optuna.samplers import RandomSampler, TPESampler
from optuna.storages import InMemoryStorage
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

from skedema.search import StudySearchCV

X, Y = make_classification(90, 5, flip_y=0.3, random_state=0)
C = {"C": FloatDistribution(1e-4, 10, log=True)}


def search(storage, **parameters):
    given = {"n_trials": 14, "cv": 5, "scoring": "neg_log_loss", "random_state": 0} | parameters
    return StudySearchCV(LogisticRegression(), C, storage=storage, **given)


def test_samplers_of_ones_own_go_on_as_they_would_have(tmp_path):
    for sampler in (RandomSampler(seed=3), TPESampler(seed=3, n_startup_trials=2)):
        path = tmp_path / f"{type(sampler).__name__}.journal"
        whole = search(None, n_trials=7, sampler=sampler).fit(X, Y)
        for n_trials in (3, 4, 7):
            found = search(path, n_trials=n_trials, sampler=sampler).fit(X, Y)
        assert found.trials_["C"].tolist() == whole.trials_["C"].tolist()
        assert whole.trials_["C"].nunique() == 7
    other = search(None, n_trials=2, sampler=RandomSampler(seed=4)).fit(X, Y)
    assert not set(other.trials_["C"]) & set(whole.trials_["C"])
    assert isinstance(found.study_.sampler, TPESampler)


def test_trial_of_a_killed_process_is_drawn_again():
    store = InMemoryStorage()
    search(store, study_name="killed", n_trials=3).fit(X, Y)
    optuna.load_study(storage=store, study_name="killed").ask()  # and never told
    found = search(store, study_name="killed", n_trials=5).fit(X, Y)
    assert found.trials_["state"].tolist()[3] == "fail"  # nobody is at it any longer
    whole = search(None, n_trials=5).fit(X, Y)
    assert found.trials_["C"].dropna().tolist() == whole.trials_["C"].tolist()
    assert found.best_params_ == whole.best_params_
