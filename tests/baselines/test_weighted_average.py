from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize_scalar
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import (
    GridSearchCV,
    ShuffleSplit,
    StratifiedKFold,
    cross_val_predict,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

import skedema
from skedema.baselines import WeightedAverage


@parametrize_with_checks(
    [WeightedAverage([("regression", LogisticRegression()), ("bayes", GaussianNB())])]
)
def test_every_check_is_passed(estimator, check):
    check(estimator)


def on(columns):
    return make_pipeline(FunctionTransformer(np.take, kw_args={"indices": columns, "axis": 1}),
                         LogisticRegression())  # fmt: skip


def patients(n_classes=2, n=150):
    return make_classification(
        n, 6, n_informative=4, n_classes=n_classes, shuffle=False, flip_y=0.2, random_state=0
    )


MEMBERS = [("image", on([0, 1])), ("table", on([2, 3]))]


def out_of_fold(member, X, y, cv):
    return cross_val_predict(member, X, y, cv=cv, method="predict_proba")


@pytest.mark.parametrize("n_classes", [2, 3])
def test_weights_have_the_least_log_loss_out_of_fold(n_classes):
    X, y = patients(n_classes)
    folds = StratifiedKFold(4, shuffle=True, random_state=1)
    average = WeightedAverage(MEMBERS, cv=folds).fit(X, y)
    image, table = (out_of_fold(each, X, y, folds) for _, each in MEMBERS)
    best = minimize_scalar(
        lambda w: log_loss(y, w * image + (1 - w) * table), bounds=(0, 1), method="bounded"
    )
    assert 0.1 < best.x < 0.9
    assert average.weights_["image"] == pytest.approx(best.x, abs=1e-4)
    assert sum(average.weights_.values()) == pytest.approx(1)
    parts = [average.weights_[name] * clone(m).fit(X, y).predict_proba(X) for name, m in MEMBERS]
    assert_allclose(average.predict_proba(X), sum(parts))
    assert_array_equal(average.predict(X), average.predict_proba(X).argmax(axis=1))


def test_a_member_that_learned_by_heart_gets_no_weight_for_it():
    X, y = patients()
    noise = np.random.default_rng(0).normal(size=(len(y), 1))
    by_heart = make_pipeline(
        FunctionTransformer(np.take, kw_args={"indices": [6], "axis": 1}), DecisionTreeClassifier()
    )
    average = WeightedAverage([("by heart", by_heart), ("image", on([0, 1, 2, 3]))])
    X = np.hstack([X, noise])
    average.fit(X, y)
    assert dict(average.estimators_)["by heart"].score(X, y) == 1.0
    assert average.weights_["by heart"] < average.weights_["image"] / 5


def test_members_that_say_the_same_have_equal_weights():
    X, y = patients()
    average = WeightedAverage([(name, on([0, 1])) for name in "abc"]).fit(X, y)
    assert_allclose(list(average.weights_.values()), 1 / 3)
    assert_allclose(average.predict_proba(X), on([0, 1]).fit(X, y).predict_proba(X))


def test_names_of_classes_stay_as_they_are_for_members():
    X, y = patients()
    named = np.where(y, "edema", "none")
    members = [("few", LogisticRegression(class_weight={"edema": 5, "none": 1})), *MEMBERS]
    average = WeightedAverage(members).fit(X, named)
    assert average.classes_.tolist() == ["edema", "none"]
    assert set(average.predict(X)) == {"edema", "none"}


def test_folds_of_all_members_are_the_same_ones():
    X, y = patients()
    drawn = ShuffleSplit(2, random_state=np.random.RandomState(0))  # anew whenever it is asked
    average = WeightedAverage([(name, on([0, 1])) for name in "ab"], cv=drawn).fit(X, y)
    assert average.weights_ == {"a": 0.5, "b": 0.5}


def test_a_class_that_a_fold_lacks_is_one_that_its_members_hold_for_impossible():
    X, y = patients(3)
    y = np.where(y == 2, 1, y)
    y[-1] = 2
    folds = [(np.arange(149), np.arange(149, 150)), (np.arange(1, 150), np.arange(1))]
    average = WeightedAverage(MEMBERS, cv=folds).fit(X, y)
    assert average.predict_proba(X).shape == (150, 3)
    assert sum(average.weights_.values()) == pytest.approx(1)


def test_parameters_of_members_are_searched_over():
    X, y = patients()
    average = WeightedAverage([("a", LogisticRegression()), ("b", DummyClassifier())], cv=2)
    search = GridSearchCV(average, {"a__C": [0.01, 1.0], "b": [GaussianNB()]}, cv=2).fit(X, y)
    assert isinstance(dict(search.best_estimator_.estimators_)["b"], GaussianNB)


def test_members_that_cannot_be_told_apart_are_refused():
    X, y = patients()
    with pytest.raises(ValueError, match="not unique"):
        WeightedAverage([("a", LogisticRegression()), ("a", GaussianNB())]).fit(X, y)
    with pytest.raises(ValueError, match="needs one classifier or more"):
        WeightedAverage([]).fit(X, y)


def test_a_file_holds_it(tmp_path):
    X, y = patients()
    X = pd.DataFrame(X, columns=[f"x{k}" for k in range(6)])
    average = WeightedAverage([("a", LogisticRegression()), ("b", LogisticRegression(C=0.1))])
    average.fit(X, np.where(y, "edema", "none"))
    skedema.save(average, tmp_path / "model.skedema")
    again = skedema.load(tmp_path / "model.skedema")
    assert_array_equal(again.predict_proba(X), average.predict_proba(X))
    assert again.weights_ == average.weights_
