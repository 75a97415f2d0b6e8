"""Quantiles are found within what passes predictions on."""

from __future__ import annotations

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import BaggingRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skedema import AttentionMixerRegressor
from skedema.evaluation import evaluate, validate
from skedema.evaluation.displays import IntervalCalibrationDisplay
from skedema.search import StudySearchCV

from ._numbers import LEVELS, WithQuantiles, X, Y

QUANTILES = [f"quantile_{level:g}" for level in LEVELS]
INTERCEPT = {"fit_intercept": [True]}
WRAPPED = {
    "pipeline": make_pipeline(StandardScaler(), WithQuantiles()),
    "alone in a pipeline": make_pipeline(WithQuantiles()),
    "grid": GridSearchCV(WithQuantiles(), INTERCEPT, cv=2),
    "study": StudySearchCV(
        WithQuantiles(), {"fit_intercept": CategoricalDistribution([True])}, n_trials=1, cv=2
    ),
    "scaled": TransformedTargetRegressor(
        WithQuantiles(), func=lambda y: y - 5, inverse_func=lambda y: y + 5, check_inverse=False
    ),
    "all": GridSearchCV(
        make_pipeline(StandardScaler(), TransformedTargetRegressor(WithQuantiles())),
        {"transformedtargetregressor__regressor__fit_intercept": [True]},
        cv=2,
    ),
}


@pytest.fixture(scope="module")
def result():
    return evaluate({"plain": WithQuantiles()} | WRAPPED, X, Y, cv=3, random_state=0)


@pytest.mark.parametrize("name", WRAPPED)
def test_quantiles_are_those_of_what_is_within(result, name):
    assert result.quantiles == LEVELS
    table = result.predictions.set_index(["estimator", "row"])[QUANTILES]
    np.testing.assert_allclose(table.loc[name], table.loc["plain"])
    (fitted, *_) = result.estimators[name]
    again = validate({name: fitted}, X, Y, random_state=0)
    assert again.quantiles == LEVELS
    display = IntervalCalibrationDisplay.from_estimator(fitted, X, Y)
    assert len(display.frame()) == len(LEVELS)


def test_quantiles_of_a_logarithm_go_through_its_inverse():
    y = np.exp(Y / 20)
    inner = AttentionMixerRegressor(loss="quantile", max_epochs=2, dim=8, n_members=1)
    inner.set_params(quantiles=(0.1, 0.5, 0.9), random_state=0)
    model = TransformedTargetRegressor(inner, func=np.log, inverse_func=np.exp)
    result = evaluate({"log": model}, X, y, cv=2, random_state=0)
    table = result.predictions[result.predictions["fold"] == 0]
    of_log = result.estimators["log"][0].regressor_.predict_quantiles(X.iloc[table["row"]])
    np.testing.assert_allclose(table[QUANTILES], np.exp(of_log))
    np.testing.assert_allclose(table["predicted"], table["quantile_0.5"])
    (covered,) = result.summary(["coverage"], n_resamples=20)["pooled"]
    assert 0 < covered <= 1


def test_an_inverse_that_falls_is_refused_and_one_that_rises_is_the_remedy():
    def model(func):
        inner = AttentionMixerRegressor(
            loss="quantile", max_epochs=1, dim=8, n_members=1, random_state=0
        )
        return TransformedTargetRegressor(inner, func=func, inverse_func=func, check_inverse=False)

    y = np.abs(Y) + 50.0
    with pytest.raises(ValueError, match=r"falls where its quantiles rise.*-1/y in place of 1/y"):
        evaluate({"m": model(lambda y: 1 / y)}, X, y, cv=2, random_state=0)
    risen = evaluate({"m": model(lambda y: -1 / y)}, X, y, cv=2, random_state=0)
    assert len(risen.quantiles) == 3


def test_a_search_over_quantiles_is_refused_with_a_remedy():
    inner = AttentionMixerRegressor(max_epochs=1, dim=8, n_members=1, random_state=0)
    search = GridSearchCV(inner, {"loss": ["quantile"]}, cv=2)
    with pytest.raises(ValueError, match="Leave loss='quantile' and quantiles out") as caught:
        evaluate({"search": search}, X, Y, cv=2, random_state=0)
    assert "estimator 'search'" in caught.value.__notes__[0]
    set_itself = GridSearchCV(inner.set_params(loss="quantile"), {"lr": [0.01]}, cv=2)
    assert len(evaluate({"search": set_itself}, X, Y, cv=2, random_state=0).quantiles) == 3
    other = GridSearchCV(inner.set_params(loss="huber"), {"loss": ["squared_error"]}, cv=2)
    assert evaluate({"search": other}, X, Y, cv=2, random_state=0).quantiles == ()


def test_what_mixes_predictions_gives_numbers_alone():
    models = {
        "bagging": BaggingRegressor(WithQuantiles(), n_estimators=2, random_state=0),
        "none": make_pipeline(FunctionTransformer(), LinearRegression()),
        "default": TransformedTargetRegressor(),
    }
    result = evaluate(models, X, Y, cv=2, random_state=0)
    assert result.quantiles == ()
    assert np.isfinite(result.predictions["predicted"]).all()
