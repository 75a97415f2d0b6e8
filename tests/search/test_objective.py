from __future__ import annotations

import numpy as np
import optuna
import pandas as pd
import polars as pl
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.samplers import RandomSampler
from optuna.trial import FixedTrial, TrialState
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_classification
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer
from sklearn.model_selection import GroupKFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skedema import AttentionMixerClassifier
from skedema.search import CrossValidatedObjective, StudySearchCV, head_space

pytestmark = pytest.mark.usefixtures("quiet_optuna")

X, Y = make_classification(90, 5, random_state=0)
C = {"C": FloatDistribution(1e-4, 10, log=True)}


def searched(objective, n_trials=6, pruner=None, seed=0):
    study = optuna.create_study(
        direction="maximize", sampler=RandomSampler(seed=seed), pruner=pruner or NopPruner()
    )
    study.optimize(objective, n_trials=n_trials)
    return study


@pytest.mark.parametrize("name", ["y", "groups", "sample_weight"])
def test_what_comes_beside_X_must_be_in_the_order_of_its_rows(name):
    table, ones = pd.DataFrame(X), pd.Series(np.ones(90))
    beside = {"y": pd.Series(Y), "groups": ones, "sample_weight": ones}
    beside[name] = beside[name][::-1]
    with pytest.raises(ValueError, match=f"X and {name} hold the same row labels in another order"):
        StudySearchCV(LogisticRegression(), C, n_trials=1).fit(table, **beside)


class Told(ClassifierMixin, BaseEstimator):
    """Scores what it is told, and counts fits."""

    fits = 0

    def __init__(self, value=0.0, fails=False):
        self.value = value
        self.fails = fails

    def fit(self, X, y, sample_weight=None):
        type(self).fits += 1
        if self.fails or (sample_weight is not None and len(sample_weight) != len(X)):
            raise ValueError("cannot be fitted")
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])

    def score(self, X, y):
        return self.value


class AfterFirstFold(BasePruner):
    def prune(self, study, trial):
        return trial.number > 0


def test_value_of_a_trial_is_the_mean_of_cross_val_score():
    folds = StratifiedKFold(4, shuffle=True, random_state=0)
    objective = CrossValidatedObjective(LogisticRegression(), X, Y, C, scoring="roc_auc", cv=folds)
    expected = cross_val_score(LogisticRegression(C=0.3), X, Y, scoring="roc_auc", cv=folds)
    assert objective(FixedTrial({"C": 0.3})) == pytest.approx(expected.mean(), abs=0)


def test_trial_keeps_fold_scores_seconds_and_running_means():
    study = searched(CrossValidatedObjective(LogisticRegression(), X, Y, C, cv=3), n_trials=1)
    (trial,) = study.trials
    scores = trial.user_attrs["fold_scores"]
    means = np.cumsum(scores) / np.arange(1, 4)
    assert list(trial.intermediate_values.values()) == pytest.approx(means.tolist())
    assert trial.value == pytest.approx(np.mean(scores))
    assert len(trial.user_attrs["fit_seconds"]) == 3


def test_three_lines_of_a_users_script():
    clf = AttentionMixerClassifier(max_epochs=2, trusted_columns=[2, 3], random_state=0)
    space = head_space() | {"max_epochs": IntDistribution(1, 2)}
    study = optuna.create_study(direction="maximize")
    study.optimize(CrossValidatedObjective(clf, X, Y, space, cv=2), n_trials=2)
    clf.set_params(**study.best_params).fit(X, Y)
    assert clf.get_params()["lr"] == study.best_params["lr"]


def test_pruned_trial_fits_no_further_fold():
    space = {"value": FloatDistribution(0, 1)}
    Told.fits = 0
    study = searched(
        CrossValidatedObjective(Told(), X, Y, space, cv=5), n_trials=3, pruner=AfterFirstFold()
    )
    assert [t.state for t in study.trials] == [TrialState.COMPLETE] + [TrialState.PRUNED] * 2
    assert Told.fits == 5 + 1 + 1


def test_last_fold_is_never_pruned():
    class AtTheEnd(BasePruner):
        def prune(self, study, trial):
            return trial.last_step == 2

    objective = CrossValidatedObjective(Told(), X, Y, {"value": FloatDistribution(0, 1)}, cv=3)
    assert searched(objective, 1, AtTheEnd()).trials[0].state is TrialState.COMPLETE


@pytest.mark.slow
def test_results_are_the_same_for_every_number_of_processes():
    found = []
    noisy, labels = make_classification(90, 5, flip_y=0.4, random_state=0)
    for n_jobs in (1, 2):
        objective = CrossValidatedObjective(
            LogisticRegression(), noisy, labels, C, scoring="neg_log_loss", n_jobs=n_jobs
        )
        study = searched(objective, 8, MedianPruner(n_startup_trials=2))
        found.append([(t.state, t.params, t.values, t.intermediate_values) for t in study.trials])
    assert found[0] == found[1]
    assert TrialState.PRUNED in {state for state, *_ in found[0]}


@pytest.mark.slow
def test_failure_in_a_fold_behind_the_pruned_one_is_not_seen_by_other_processes_either():
    class PrunesAll(BasePruner):
        def prune(self, study, trial):
            return True

    labels = Y.copy()
    folds = [(np.arange(30), np.arange(30, 60)), (np.flatnonzero(Y == 0), np.arange(60, 90))]
    for n_jobs in (1, 2):
        objective = CrossValidatedObjective(
            LogisticRegression(), X, labels, C, cv=folds, n_jobs=n_jobs, error_score="raise"
        )
        assert searched(objective, 1, PrunesAll()).trials[0].state is TrialState.PRUNED


def test_pipelines_lists_string_labels_and_polars_work():
    labels = np.where(Y == 1, "edema", "none")
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    space = {"logisticregression__C": FloatDistribution(0.1, 10)}
    for table in (X, X.tolist(), pl.DataFrame(X, schema=list("abcde"))):
        objective = CrossValidatedObjective(pipeline, table, labels, space, cv=2)
        assert objective(FixedTrial({"logisticregression__C": 1.0})) > 0.7


def test_groups_stay_together_and_fit_parameters_are_split():
    groups = np.arange(90) // 3
    objective = CrossValidatedObjective(
        Told(),
        X,
        Y,
        {"value": FloatDistribution(0, 1)},
        cv=GroupKFold(3),
        groups=groups,
        fit_params={"sample_weight": np.ones(90)},
        error_score="raise",
    )
    for train, test in objective.splits:
        assert not set(groups[train]) & set(groups[test])
    assert objective(FixedTrial({"value": 0.5})) == 0.5


def test_all_trials_see_the_same_folds_of_an_unseeded_splitter():
    objective = CrossValidatedObjective(
        LogisticRegression(), X, Y, C, cv=StratifiedKFold(3, shuffle=True)
    )
    first, second = (objective(FixedTrial({"C": 1.0})) for _ in range(2))
    assert first == second


def test_estimator_stays_as_it_is():
    clf = LogisticRegression(C=1.0)
    searched(CrossValidatedObjective(clf, X, Y, C, cv=2), 2)
    assert clf.C == 1.0
    assert not hasattr(clf, "coef_")


@pytest.mark.parametrize("directions", [["minimize"], ["maximize", "maximize"]])
def test_study_that_does_not_maximise_one_score_is_refused_with_the_remedy(directions):
    study = optuna.create_study(directions=directions)
    objective = CrossValidatedObjective(LogisticRegression(), X, Y, C)
    with pytest.raises(ValueError, match=r"create_study\(direction='maximize'\)"):
        study.optimize(objective, n_trials=1)


def test_failed_fit_ends_the_trial_with_a_warning_and_the_study_goes_on():
    space = {"fails": CategoricalDistribution([True])}
    objective = CrossValidatedObjective(Told(), X, Y, space, cv=3)
    Told.fits = 0
    with pytest.warns(FitFailedWarning, match="fold 1 of 3 failed: ValueError: cannot be fitted"):
        study = searched(objective, 2)
    assert [t.state for t in study.trials] == [TrialState.FAIL] * 2
    assert "cannot be fitted" in study.trials[0].user_attrs["error"]
    assert Told.fits == 2


def test_error_score_is_a_score_or_raises():
    space = {"fails": CategoricalDistribution([True])}
    with pytest.warns(FitFailedWarning, match="cannot be fitted"):
        study = searched(CrossValidatedObjective(Told(), X, Y, space, error_score=-1.0), 1)
    assert study.best_value == -1
    with pytest.raises(ValueError, match="cannot be fitted"):
        searched(CrossValidatedObjective(Told(), X, Y, space, error_score="raise"), 1)
    with pytest.raises(ValueError, match="'raise' or a number"):
        CrossValidatedObjective(Told(), X, Y, space, error_score="ignore")


def test_score_that_is_nan_fails_the_trial():
    objective = CrossValidatedObjective(
        DummyClassifier(),
        X,
        Y,
        {"strategy": CategoricalDistribution(["prior"])},
        scoring=make_scorer(lambda y, p: np.nan),
    )
    with pytest.warns(FitFailedWarning, match="gave NaN"):
        assert np.isnan(objective(FixedTrial({"strategy": "prior"})))


def test_bad_input_is_refused_at_once():
    with pytest.raises(ValueError, match="one score"):
        CrossValidatedObjective(LogisticRegression(), X, Y, C, scoring=["roc_auc", "f1"])
    with pytest.raises(ValueError, match="requires y"):
        CrossValidatedObjective(LogisticRegression(), X, None, C)
    with pytest.raises(ValueError, match="no folds"):
        CrossValidatedObjective(LogisticRegression(), X, Y, C, cv=[])
    labels = Y.astype(float)
    labels[7] = np.nan
    with pytest.raises(ValueError, match="1 rows, the first at position 7"):
        CrossValidatedObjective(LogisticRegression(), X, labels, C)
