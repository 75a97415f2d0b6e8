"""Fitted estimators that come back, kept beside what they said."""

from __future__ import annotations

import re

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from skedema.evaluation import evaluate

from ._cohort import FOLDS, MODELS, X, Y

FITS = []


class Counted(LogisticRegression):
    def fit(self, X, y):
        FITS.append(len(y))
        return super().fit(X, y)


class Unpickled(LogisticRegression):
    def __getstate__(self):
        if hasattr(self, "coef_"):
            raise TypeError("holds a lock")
        return super().__getstate__()


def check_estimators(result):
    """Each one predicts what its row of `folds` has predicted."""
    assert list(result.estimators) == result.names
    for name, fitted in result.estimators.items():
        folds = result.folds[result.folds["estimator"] == name]
        assert len(fitted) == len(folds)
        for estimator, fold in zip(fitted, folds.itertuples(), strict=True):
            table = result.predictions
            same = (table["repeat"] == fold.repeat) & (table["fold"] == fold.fold)
            mine = table[same & (table["estimator"] == name)]
            found = estimator.predict_proba(result.X.iloc[mine["row"]])[:, 1]
            np.testing.assert_array_equal(found, mine["probability"])


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_fitted_estimators_come_back_in_the_order_of_the_folds(n_jobs):
    result = evaluate(MODELS, X, Y, cv=FOLDS, n_jobs=n_jobs, random_state=0)
    check_estimators(result)
    assert result.X is X
    assert result.y is Y
    assert result.external is None
    assert evaluate(MODELS, X, Y, cv=2, return_estimator=False).estimators == {}


def test_kept_folds_bring_their_estimators_back(tmp_path):
    arguments = {"cv": 3, "random_state": 0, "storage": tmp_path}
    FITS.clear()
    first = evaluate({"a": Counted()}, X, Y, **arguments)
    again = evaluate({"a": Counted()}, X, Y, **arguments)
    assert len(FITS) == 3
    check_estimators(again)
    for one, other in zip(first.estimators["a"], again.estimators["a"], strict=True):
        np.testing.assert_array_equal(one.coef_, other.coef_)
    assert len(list(tmp_path.glob("*.estimator"))) == 3


def test_predictions_kept_alone_serve_for_predictions_alone(tmp_path):
    arguments = {"cv": 3, "random_state": 0, "storage": tmp_path}
    FITS.clear()
    evaluate({"a": Counted()}, X, Y, return_estimator=False, **arguments)
    evaluate({"a": Counted()}, X, Y, return_estimator=False, **arguments)
    assert len(FITS) == 3
    assert not list(tmp_path.glob("*.estimator"))
    check_estimators(evaluate({"a": Counted()}, X, Y, **arguments))
    assert len(FITS) == 6
    evaluate({"a": Counted()}, X, Y, return_estimator=False, **arguments)
    assert len(FITS) == 6


def test_a_damaged_estimator_is_never_unpickled(tmp_path):
    arguments = {"cv": 3, "random_state": 0, "storage": tmp_path}
    evaluate({"a": Counted()}, X, Y, **arguments)
    first, second, _ = sorted(tmp_path.glob("*.estimator"))
    # Whole, and of other numbers, as where somebody was killed and a worker went on: no damage.
    second.write_bytes(first.read_bytes())
    FITS.clear()
    check_estimators(evaluate({"a": Counted()}, X, Y, **arguments))
    assert len(FITS) == 1
    content = bytearray(first.read_bytes())
    content[-3] ^= 1
    first.write_bytes(content)
    with pytest.warns(UserWarning, match=re.escape(f"{first} is damaged")):
        evaluate({"a": Counted()}, X, Y, **arguments)
    assert len(FITS) == 2


def test_what_cannot_be_pickled_is_told_once_and_the_remedy_helps(tmp_path):
    models = {"odd": Unpickled()}
    arguments = {"cv": 3, "random_state": 0, "storage": tmp_path}
    with pytest.warns(UserWarning, match=r"lock.*return_estimator=False") as caught:
        check_estimators(evaluate(models, X, Y, **arguments))
    assert len(caught) == 1
    evaluate(models, X, Y, return_estimator=False, **arguments)
