from __future__ import annotations

import warnings

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import RandomSampler
from optuna.trial import FixedTrial
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skedema import AttentionMixerClassifier
from skedema.encoders import CNN
from skedema.search import CrossValidatedObjective

pytestmark = pytest.mark.usefixtures("quiet_optuna")

X, Y = make_classification(90, 5, flip_y=0.3, random_state=0)
C = {"C": FloatDistribution(1e-4, 10, log=True)}


class Counted(ClassifierMixin, BaseEstimator):
    """Counts fits."""

    fits = 0

    def __init__(self, value=0.0):
        self.value = value

    def fit(self, X, y):
        type(self).fits += 1
        return self

    def predict(self, X):
        return Y[: len(X)]


def test_space_may_be_a_function_that_draws_conditionally_and_gives_objects():
    sizes = {"small": CNN(width=4), "large": CNN(width=8)}

    def space(trial):
        drawn = {"encoder": sizes[trial.suggest_categorical("size", ["small", "large"])]}
        if trial.suggest_categorical("refined", [True, False]):
            drawn["depth"] = trial.suggest_int("depth", 1, 2)
        else:
            drawn["refiner"] = None
        return drawn

    clf = AttentionMixerClassifier(max_epochs=1, trusted_columns=[2, 3], random_state=0)
    objective = CrossValidatedObjective(clf, X, Y, space, cv=2)
    study = optuna.create_study(direction="maximize", sampler=RandomSampler(seed=0))
    study.optimize(objective, n_trials=4)
    best = objective.parameters(study.best_trial)
    assert best["encoder"] is sizes[study.best_params["size"]]
    clf.set_params(**best)
    with pytest.raises(TypeError, match="must return a dict"):
        CrossValidatedObjective(clf, X, Y, lambda trial: None)(FixedTrial({}))


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"learning_rate": C["C"]}, "no parameter 'learning_rate'.*Known: .*'batch_size'"),
        ({"dropuot": C["C"]}, "no parameter 'dropuot'.*Did you mean 'dropout'"),
        (
            {"encoder__depth": IntDistribution(1, 2)},
            r"encoder='mirrored_tokens'.*MirroredTokens\(\)",
        ),
        ({"encodr__depth": IntDistribution(1, 2)}, "Did you mean 'encoder'"),
        ({"fusion__qurey": C["C"]}, "fusion='cross_attention'"),
        ({}, "nothing to search over"),
    ],
)
def test_names_that_the_estimator_does_not_have_fail_before_any_trial(space, message):
    with pytest.raises(ValueError, match=message):
        CrossValidatedObjective(AttentionMixerClassifier(), X, Y, space)


def test_misspelt_name_of_a_nested_parameter_is_suggested():
    clf = AttentionMixerClassifier(encoder=CNN())
    with pytest.raises(ValueError, match="Did you mean 'encoder__width'"):
        CrossValidatedObjective(clf, X, Y, {"encoder__witdh": IntDistribution(1, 2)})
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    with pytest.raises(ValueError, match="Did you mean 'logisticregression__C'"):
        CrossValidatedObjective(pipeline, X, Y, {"logisticregression__c": C["C"]})


def test_names_drawn_by_a_function_are_checked_before_training():
    Counted.fits = 0
    objective = CrossValidatedObjective(Counted(), X, Y, lambda trial: {"vale": 1.0})
    with pytest.raises(ValueError, match="Did you mean 'value'"):
        objective(FixedTrial({}))
    assert Counted.fits == 0


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"C": [0.1, 1.0]}, "'C' in the space is a list.*FloatDistribution"),
        ({3: C["C"]}, "must be text"),
        ("C", "must be a mapping"),
    ],
)
def test_spaces_of_other_kinds_are_refused(space, message):
    with pytest.raises(TypeError, match=message):
        CrossValidatedObjective(LogisticRegression(), X, Y, space)


def test_choices_that_no_storage_keeps_are_refused_with_the_remedy():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna's own, when the distribution is made
        space = {"encoder": CategoricalDistribution([CNN(), CNN(width=8)])}
    with pytest.raises(TypeError, match=r"objects\[trial.suggest_categorical"):
        CrossValidatedObjective(AttentionMixerClassifier(), X, Y, space)
