from __future__ import annotations

import pytest
from optuna.distributions import CategoricalDistribution
from optuna.pruners import BasePruner
from sklearn.exceptions import FitFailedWarning

from ._small import X, Y, search


class AfterFirstFold(BasePruner):
    def prune(self, study, trial):
        return trial.number > 1


def test_nothing_is_printed_unless_asked_for(capfd):
    search().fit(X, Y)
    assert capfd.readouterr() == ("", "")
    search(verbose=1).fit(X, Y)
    out, err = capfd.readouterr()
    assert out == ""
    assert "5/5" in err
    assert "best=0." in err


def test_trials_that_were_given_up_or_failed_are_counted(capfd):
    breaks = {"C": CategoricalDistribution([-1.0, 1.0])}
    with pytest.warns(FitFailedWarning, match="trials failed"):
        found = search(verbose=1, space=breaks, pruner=AfterFirstFold()).fit(X, Y)
    states = found.trials_["state"].value_counts()
    assert f"pruned={states['pruned']}, failed={states['fail']}, best=0." in capfd.readouterr().err
