from __future__ import annotations

import numpy as np
import pandas as pd
from optuna.pruners import BasePruner, NopPruner
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from ._small import X, Y, search


def test_columns_of_cv_results_are_those_of_grid_search():
    found = search(pruner=NopPruner(), n_trials=4).fit(X, Y)
    grid = GridSearchCV(LogisticRegression(), {"C": [t["C"] for t in found.cv_results_["params"]]})
    grid.set_params(cv=3).fit(X, Y)
    assert list(found.cv_results_) == list(grid.cv_results_)
    for name in ("params", "split2_test_score", "mean_test_score", "rank_test_score"):
        np.testing.assert_array_equal(found.cv_results_[name], grid.cv_results_[name])
    np.testing.assert_allclose(
        found.cv_results_["std_test_score"], grid.cv_results_["std_test_score"], rtol=1e-12
    )
    assert found.best_index_ == grid.best_index_
    assert pd.DataFrame(found.cv_results_).shape[0] == 4


class AfterFirstFold(BasePruner):
    def prune(self, study, trial):
        return trial.number > 0


def test_trials_tell_what_was_given_up():
    found = search(n_trials=3, pruner=AfterFirstFold()).fit(X, Y)
    assert found.trials_["state"].tolist() == ["complete", "pruned", "pruned"]
    assert found.trials_["n_folds"].tolist() == [3, 1, 1]
    assert list(found.trials_)[-1] == "C"
    assert found.cv_results_["rank_test_score"].tolist() == [1, 2, 2]
    assert np.isnan(found.cv_results_["mean_test_score"][1:]).all()
    assert np.isnan(found.cv_results_["split2_test_score"][1:]).all()
    assert found.cv_results_["mean_fit_time"].min() > 0
