from __future__ import annotations

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState, create_trial
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import FitFailedWarning

from skedema.search._report import report_failures

from ._small import X, Y, search


class Fragile(ClassifierMixin, BaseEstimator):
    def __init__(self, breaks=False):
        self.breaks = breaks

    def fit(self, X, y):
        if self.breaks:
            raise RuntimeError("out of patience")
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


BREAKS = {"breaks": CategoricalDistribution([False, True])}


def test_failed_trials_are_counted_in_one_warning():
    with pytest.warns(FitFailedWarning, match=r"of 10 trials failed.*nan\. Trial \d.*patience"):
        found = search(estimator=Fragile(), space=BREAKS, n_trials=10).fit(X, Y)
    assert found.best_params_ == {"breaks": False}
    assert "fail" in set(found.trials_["state"])
    assert len(found.cv_results_["params"]) == 10


def test_when_all_trials_fail_the_first_failure_is_raised():
    always = {"breaks": CategoricalDistribution([True])}
    with pytest.raises(RuntimeError, match="out of patience") as caught:
        search(estimator=Fragile(), space=always, n_trials=3).fit(X, Y)
    (note,) = caught.value.__notes__
    assert "of 3, 3 failed. Trial 0: fold 1 of 3" in note


def test_timeout_begins_no_further_trial():
    with pytest.raises(ValueError, match="no time for one"):
        search(timeout=1e-9).fit(X, Y)


def test_trials_that_others_are_at_are_told_where_none_has_a_score():
    running = create_trial(state=TrialState.RUNNING)
    with pytest.raises(ValueError, match="Other processes are at 1: call it again"):
        report_failures([running], np.nan, None)
