"""One parameter for all that is told of odd values, and nothing that is told changes a model."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from optuna.distributions import FloatDistribution

from skedema import AttentionMixerClassifier, ClinicalTokenizer
from skedema.baselines import baselines
from skedema.search import StudySearchCV

N = 40


@pytest.fixture
def cohort():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"sodium": rng.normal(138, 4, N), "age": rng.normal(60, 9, N)})
    return X, (X["sodium"] + rng.normal(0, 4, N) < 138).astype(int)


def odd(X):
    X = X.copy()
    X.loc[3, "sodium"] = 1400.0
    return X


def model(**parameters):
    return AttentionMixerClassifier(max_epochs=2, random_state=0, **parameters)


def said(function, *args, **kwargs):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function(*args, **kwargs)
    return [str(each.message) for each in caught]


def test_the_parameter_silences_fit_and_predict(cohort):
    X, y = cohort
    (message,) = said(model().fit, odd(X), y)
    assert "1400" in message
    assert "warn_unusual=False" in message
    silent = model(warn_unusual=False)
    assert said(silent.fit, odd(X), y) == []
    assert said(silent.predict, odd(X)) == []


@pytest.mark.parametrize("metadata", [None, ClinicalTokenizer()])
def test_what_is_told_depends_on_no_earlier_call(cohort, metadata):
    X, y = cohort
    clf = model(metadata=metadata).fit(X, y)
    for _ in range(2):
        (message,) = said(clf.predict, odd(X))
        assert "1400" in message
        assert clf.metadata_.warn_unusual
        assert said(clf.set_params(warn_unusual=False).predict, odd(X)) == []
        clf.set_params(warn_unusual=True)
        assert said(clf.predict, X) == []
    parts = model().partial_fit(X[:20], y[:20], classes=[0, 1])
    before = said(parts.partial_fit, odd(X), y)
    said(parts.predict, odd(X))
    assert said(parts.partial_fit, odd(X), y) == before


def test_a_word_for_missing_in_a_dict_is_told(cohort):
    X, y = cohort
    clf = model().fit(X, y)
    with pytest.warns(UserWarning, match="Taken as missing values.*'NA' in column 'sodium'"):
        clf.predict({"sodium": "NA", "age": 61.0})


def test_a_search_tells_of_columns_that_give_the_answer_away_once(cohort):
    X, y = cohort
    X = X.assign(answer=np.where(y == 1, "yes", "no"))
    space = {"lr": FloatDistribution(1e-4, 1e-2)}
    search = StudySearchCV(model(), space, n_trials=2, cv=2, random_state=0)
    told = [text for text in said(search.fit, X, y) if "'answer'" in text]
    assert len(told) == 1


def test_columns_to_trust_may_be_an_index(cohort):
    X, _ = cohort
    models = baselines(model(trusted_columns=X.columns[:1]), X)
    assert "boosting" in " ".join(models)


def test_a_label_of_a_column_that_is_no_position_is_refused(cohort):
    X, y = cohort
    X.columns = [3, 7]
    with pytest.raises(ValueError, match=r"label of one column and the position of another|lies"):
        model(trusted_columns=[3]).fit(X, y)


def test_a_misspelt_device_is_told_by_a_fitted_model(cohort):
    clf = model().fit(*cohort).set_params(device="cudaa")
    with pytest.raises(ValueError, match="device='cudaa' is no torch device"):
        clf.predict(cohort[0])
