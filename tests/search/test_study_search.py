from __future__ import annotations

import pickle

import numpy as np
import optuna
import pandas as pd
import polars as pl
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.pruners import NopPruner
from optuna.samplers import GridSampler, RandomSampler
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone, is_classifier
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    StratifiedKFold,
    cross_val_predict,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skedema import AttentionMixerClassifier, VolumeReader
from skedema._features import features
from skedema.encoders import CNN
from skedema.search import head_space

from ._small import C, X, Y, search


@parametrize_with_checks(
    [
        search(n_trials=2, cv=2),
        search(n_trials=2, cv=2, estimator=Ridge(), space={"alpha": C["C"]}),
        search(
            n_trials=2,
            cv=2,
            estimator=make_pipeline(StandardScaler(), LogisticRegression()),
            space={"logisticregression__C": C["C"]},
        ),
    ]
)
def test_passes_every_check_of_scikit_learn(estimator, check):
    check(estimator)


def test_best_trial_is_refitted_on_all_samples():
    found = search().fit(X, Y)
    expected = LogisticRegression(**found.best_params_).fit(X, Y)
    np.testing.assert_array_equal(found.predict_proba(X), expected.predict_proba(X))
    np.testing.assert_array_equal(found.predict(X), expected.predict(X))
    np.testing.assert_array_equal(found.decision_function(X), expected.decision_function(X))
    np.testing.assert_array_equal(found.predict_log_proba(X), expected.predict_log_proba(X))
    assert found.score(X, Y) == expected.score(X, Y)
    assert found.classes_.tolist() == [0, 1]
    assert found.n_features_in_ == 5
    assert found.refit_time_ > 0
    assert is_classifier(found)


def test_best_score_is_that_of_cross_validation_with_the_best_parameters():
    found = search(scoring="roc_auc", n_trials=8).fit(X, Y)
    best = LogisticRegression(**found.best_params_)
    scores = cross_validate(best, X, Y, cv=3, scoring="roc_auc")["test_score"]
    assert found.best_score_ == pytest.approx(scores.mean(), abs=0)
    assert found.best_score_ == found.study_.best_value
    assert found.n_splits_ == 3
    assert found.score(X, Y) == found.scorer_(found.best_estimator_, X, Y)


class Means(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return np.array([[scan.mean(), scan.std()] for scan in X])


def test_default_pruner_gives_up_bad_trials_but_waits_for_the_second_fold():
    found = search(n_trials=20, cv=5, scoring="neg_log_loss", sampler=RandomSampler(seed=0))
    trials = found.fit(X, Y).trials_
    pruned = trials[trials["state"] == "pruned"]
    assert len(pruned) >= 3
    assert pruned["n_folds"].between(2, 4).all()
    assert (trials["state"][:5] == "complete").all()


def test_two_searches_with_one_random_state_are_equal():
    first, second = (search(n_trials=12).fit(X, Y) for _ in range(2))
    assert first.cv_results_["params"] == second.cv_results_["params"]
    third = search(n_trials=12, random_state=1).fit(X, Y)
    assert first.cv_results_["params"] != third.cv_results_["params"]


@pytest.mark.slow
def test_searches_are_equal_for_every_number_of_processes():
    first, second = (
        search(n_trials=12, cv=5, scoring="neg_log_loss", n_jobs=n).fit(X, Y) for n in (1, 2)
    )
    columns = ["state", "score", "n_folds", "C"]
    pd.testing.assert_frame_equal(first.trials_[columns], second.trials_[columns])


def test_global_random_state_and_optunas_logging_stay_as_they_were():
    state = np.random.get_state()[1].tolist()  # noqa: NPY002
    verbosity = optuna.logging.get_verbosity()
    search(sampler=RandomSampler()).fit(X, Y)
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002
    assert optuna.logging.get_verbosity() == verbosity


def test_nested_cross_validation_is_a_line():
    outer = StratifiedKFold(3, shuffle=True, random_state=0)
    scores = cross_validate(search(n_trials=3), X, Y, cv=outer, scoring=["roc_auc", "f1"])
    assert scores["test_roc_auc"].shape == (3,)
    assert cross_val_predict(search(n_trials=2), X, Y, method="predict_proba").shape == (90, 2)


def test_groups_reach_the_folds_of_both_levels():
    groups = np.arange(90) // 3

    class NeverSplit(GroupKFold):
        seen = 0

        def split(self, X, y=None, groups=None):
            for train, test in super().split(X, y, groups):
                assert not set(groups[train]) & set(groups[test])
                type(self).seen += 1
                yield train, test

    inner = search(n_trials=2, cv=NeverSplit(3))
    cross_validate(
        inner,
        X,
        Y,
        cv=list(GroupKFold(2).split(X, Y, groups)),
        params={"groups": groups},
        error_score="raise",
    )
    assert NeverSplit.seen == 2 * 3


def test_metadata_is_routed_to_both_levels():
    given = {"groups": np.arange(90) // 3, "sample_weight": np.linspace(0.1, 1, 90)}
    folds = GroupKFold(3)
    with config_context(enable_metadata_routing=True):
        model = LogisticRegression().set_fit_request(sample_weight=True)
        model.set_score_request(sample_weight=False)
        inner = search(estimator=model, cv=folds, n_trials=2)
        routed = cross_validate(inner, X, Y, cv=folds, params=given, error_score="raise")
    outer = list(folds.split(X, Y, given["groups"]))
    passed = cross_validate(search(cv=folds, n_trials=2), X, Y, cv=outer, params=given)
    assert routed["test_score"].tolist() == passed["test_score"].tolist()


def test_searches_within_searches_work():
    outer = GridSearchCV(search(n_trials=2), {"estimator__fit_intercept": [True, False]}, cv=2)
    assert outer.fit(X, Y).best_estimator_.best_estimator_.coef_.shape == (1, 5)


def test_tables_and_string_labels():
    labels = np.where(Y == 1, "edema", "none")
    frame = pd.DataFrame(X, columns=list("abcde"))
    for table in (frame, pl.from_pandas(frame)):
        clf = AttentionMixerClassifier(max_epochs=2, random_state=0)
        space = head_space() | {"max_epochs": IntDistribution(1, 2)}
        found = search(estimator=clf, space=space, n_trials=2, cv=2).fit(table, labels)
        assert set(found.predict(table)) <= {"edema", "none"}
        assert found.feature_names_in_.tolist() == list("abcde")


def test_transformers_and_clusterers_without_labels():
    # X has fewer dimensions than columns, and a likelihood wants the inverse of a covariance.
    full = X + np.random.default_rng(0).normal(0, 0.1, X.shape)
    pca = search(estimator=PCA(), space={"n_components": IntDistribution(1, 4)}).fit(full)
    found = pca.transform(full)
    assert found.shape == (90, pca.best_params_["n_components"])
    expected = PCA(**pca.best_params_).fit(full)
    np.testing.assert_array_equal(pca.inverse_transform(found), expected.inverse_transform(found))
    np.testing.assert_array_equal(pca.score_samples(full), expected.score_samples(full))
    assert not hasattr(pca, "predict")
    means = search(
        estimator=KMeans(n_init=1, random_state=0), space={"n_clusters": IntDistribution(2, 4)}
    )
    assert means.fit(X).predict(X).shape == (90,)


def test_callbacks_that_would_never_be_called_are_not_taken():
    assert not hasattr(search(), "set_callbacks")  # of scikit-learn 1.9 and later


def test_without_refit_there_are_parameters_but_no_estimator():
    found = search(refit=False).fit(X, Y)
    assert set(found.best_params_) == {"C"}
    with pytest.raises(AttributeError, match="predict"):
        found.predict(X)
    with pytest.raises(AttributeError, match="refit=False"):
        found.score(X, Y)
    assert not hasattr(found, "best_estimator_")
    assert not hasattr(found, "n_features_in_")


def test_before_fit_there_is_nothing():
    unfitted = search()
    with pytest.raises(NotFittedError):
        unfitted.predict(X)
    with pytest.raises(NotFittedError):
        unfitted.score(X, Y)
    assert not hasattr(unfitted, "classes_")
    assert not hasattr(unfitted, "n_features_in_")


def test_function_spaces_give_parameters_that_can_be_set():
    scalers = {"none": "passthrough", "standard": StandardScaler()}
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())

    def space(trial):
        scaler = trial.suggest_categorical("scaler", list(scalers))
        return {"standardscaler": scalers[scaler], "logisticregression__C": 1.0}

    found = search(estimator=pipeline, space=space, n_trials=2).fit(X, Y)
    clone(pipeline).set_params(**found.best_params_).fit(X, Y)
    assert "param_standardscaler" in found.cv_results_


def test_samplers_and_pruners_of_the_user_are_used_and_not_changed():
    sampler = GridSampler({"C": [0.1, 1.0, 10.0]}, seed=0)
    found = search(sampler=sampler, n_trials=3, pruner=NopPruner()).fit(X, Y)
    assert sorted(found.trials_["C"]) == [0.1, 1.0, 10.0]
    assert found.sampler is sampler
    seeded = search(sampler=RandomSampler(seed=0))
    assert seeded.fit(X, Y).best_params_ == seeded.fit(X, Y).best_params_


@pytest.mark.parametrize(
    "parameters", [{"n_trials": 0}, {"timeout": -1.0}, {"pruner": "median"}, {"verbose": -1}]
)
def test_parameters_are_checked(parameters):
    with pytest.raises(ValueError, match=next(iter(parameters))):
        search(**parameters).fit(X, Y)


def test_fitted_search_can_be_pickled():
    found = search().fit(X, Y)
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(again.predict_proba(X), found.predict_proba(X))
    assert again.study_.best_params == found.best_params_


@pytest.mark.parametrize("encoder", [CNN(width=2, depth=2), FrozenEstimator(Means().fit([]))])
def test_search_over_the_head_encodes_each_scan_once(encoder):
    table = pd.DataFrame({"sodium": X[:24, 0]})
    table["scan"] = [np.random.default_rng(i).normal(35, 5, (8, 8, 8)) for i in range(24)]
    clf = AttentionMixerClassifier(
        image="scan",
        encoder=encoder,
        fine_tune=False,
        volume=VolumeReader(spacing=None, shape=8),
        max_epochs=1,
        random_state=0,
    )
    before = features.n_encoded
    space = {"dropout": FloatDistribution(0, 0.5), "depth": IntDistribution(1, 2)}
    search(estimator=clf, space=space, n_trials=3).fit(table, np.tile([0, 1], 12))
    assert features.n_encoded - before == 24
