from __future__ import annotations

import dataclasses
import io
from contextlib import redirect_stderr

import numpy as np
import pandas as pd
import polars as pl
import pytest
from optuna.distributions import FloatDistribution
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    StratifiedKFold,
    TunedThresholdClassifierCV,
    cross_val_predict,
)
from sklearn.svm import LinearSVC

from skedema import AttentionMixerClassifier
from skedema.evaluation import evaluate
from skedema.search import StudySearchCV

from ._cohort import OfNumbers

RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(80, 3)), columns=["sodium", "glucose", "age"])
Y = (X["sodium"] + RNG.normal(size=80) > 0.3).astype(int)
MODELS = {"lr": LogisticRegression(), "prevalence": DummyClassifier()}
FOLDS = StratifiedKFold(4, shuffle=True, random_state=3)


def of(result, name):
    table = result.predictions
    return table[table["estimator"] == name].sort_values(["repeat", "row"])


def test_predictions_out_of_fold_are_those_of_scikit_learn():
    result = evaluate(MODELS, X, Y, cv=FOLDS)
    for name, model in MODELS.items():
        table = of(result, name)
        wanted = cross_val_predict(model, X, Y, cv=FOLDS, method="predict_proba")[:, 1]
        np.testing.assert_array_equal(table["probability"], wanted)
        np.testing.assert_array_equal(table["predicted"], cross_val_predict(model, X, Y, cv=FOLDS))
        np.testing.assert_array_equal(table["label"], Y)
        np.testing.assert_array_equal(table["row"], np.arange(80))
    assert list(result.predictions.columns) == [
        *("estimator", "repeat", "fold", "row", "label", "probability", "predicted")
    ]


def test_all_estimators_have_the_same_folds():
    result = evaluate(MODELS, X, Y, random_state=0)
    keys = ["row", "repeat", "fold"]
    np.testing.assert_array_equal(of(result, "lr")[keys], of(result, "prevalence")[keys])
    assert result.folds["fold"].tolist() == [*range(5)] * 2
    assert (result.folds["n_train"] + result.folds["n_test"] == 80).all()


def test_same_seed_same_result_whatever_the_processes():
    first = evaluate(MODELS, X, Y, cv=3, random_state=1)
    second = evaluate(MODELS, X, Y, cv=3, random_state=1, n_jobs=2)
    pd.testing.assert_frame_equal(first.predictions, second.predictions)
    other = evaluate(MODELS, X, Y, cv=3, random_state=2)
    assert not first.predictions["fold"].equals(other.predictions["fold"]) or not (
        first.predictions["row"].equals(other.predictions["row"])
    )


def test_labels_of_any_kind_have_the_second_class_as_the_positive_one():
    words = np.where(Y == 1, "edema", "clear")
    wanted = of(evaluate(MODELS, X, Y, cv=FOLDS), "lr")
    for labels in (words, list(words), pd.Series(words), Y.astype(bool), pl.Series(words)):
        result = evaluate(MODELS, X, labels, cv=FOLDS)
        np.testing.assert_array_equal(of(result, "lr")["probability"], wanted["probability"])
        assert result.classes in (("clear", "edema"), (False, True))
        np.testing.assert_array_equal(
            of(result, "lr")["predicted"] == result.classes[1], wanted["predicted"] == 1
        )
        assert result.summary(["recall"], n_resamples=10).shape == (2, 8)


def test_tables_of_any_kind_give_the_same():
    wanted = evaluate(MODELS, X, Y, cv=FOLDS).predictions["probability"]
    for table in (pl.DataFrame(X.to_dict("list")), X.to_numpy(), X.to_numpy().tolist()):
        found = evaluate(MODELS, table, Y, cv=FOLDS).predictions["probability"]
        np.testing.assert_allclose(found, wanted)


LABELLED = X.set_index(pd.Index([f"P{i}" for i in range(80)]))
SITE = pd.Series(["A", "B"] * 40, index=LABELLED.index)
ANOTHER_ORDER = "hold the same row labels in another order"


def test_subgroups_asked_for_later_must_be_in_the_order_of_the_rows():
    result = evaluate(MODELS, LABELLED, Y.to_numpy(), cv=FOLDS)
    wanted = result.subgroups(SITE.to_numpy(), n_resamples=10)
    pd.testing.assert_frame_equal(result.subgroups(SITE, n_resamples=10), wanted)
    with pytest.raises(ValueError, match=f"X and by {ANOTHER_ORDER}"):
        result.subgroups(SITE[::-1], n_resamples=10)


def test_bad_input_is_named():
    with pytest.raises(TypeError, match="dict of classifiers"):
        evaluate(LogisticRegression(), X, Y)
    with pytest.raises(TypeError, match=r"'svm'.*CalibratedClassifierCV"):
        evaluate({"svm": LinearSVC()}, X, Y)
    with pytest.raises(ValueError, match=r"1 row has no label, .*position 0"):
        evaluate(MODELS, X, Y.astype(float).where(Y.index > 0))
    with pytest.raises(ValueError, match="80 rows have no group"):
        evaluate(MODELS, X, Y, groups=np.full(80, np.nan))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        evaluate(MODELS, X, Y[:-1])
    with pytest.raises(ValueError, match="'sex', which is no column of X"):
        evaluate(MODELS, X, Y, subgroups=["sex"])
    with pytest.raises(TypeError, match="subgroups must be"):
        evaluate(MODELS, X.to_numpy(), Y, subgroups=["sex"])
    with pytest.raises(ValueError, match="'site' has shape"):
        evaluate(MODELS, X, Y, subgroups={"site": [1, 2]})


class Fails(OfNumbers):
    def predict_proba(self, X):
        raise RuntimeError("no")


class GivesNan(OfNumbers):
    def predict_proba(self, X):
        return np.full((len(X), 2), np.nan)


@pytest.mark.parametrize("kind", [Fails, GivesNan])
def test_failure_tells_estimator_and_fold(kind):
    with pytest.raises((RuntimeError, ValueError)) as caught:
        evaluate({"good": OfNumbers(), "bad": kind()}, X, Y, cv=2)
    assert caught.value.__notes__ == ["This was estimator 'bad' on fold 0 of repeat 0."]


def test_tuned_thresholds_are_the_estimators_own():
    tuned = TunedThresholdClassifierCV(LogisticRegression(), scoring="recall", cv=2, thresholds=5)
    result = evaluate({"tuned": tuned}, X, Y, cv=FOLDS)
    table = result.predictions
    assert ((table["probability"] >= 0.5) != (table["predicted"] == 1)).any()
    recall = table["predicted"][table["label"] == 1].mean()
    assert result.summary(["recall"], n_resamples=10)["pooled"][0] == pytest.approx(recall)


def test_search_is_nested():
    search = StudySearchCV(
        LogisticRegression(),
        {"C": FloatDistribution(1e-2, 1e2, log=True)},
        n_trials=3,
        cv=3,
        random_state=0,
    )
    result = evaluate({"search": search, "lr": LogisticRegression()}, X, Y, cv=FOLDS)
    wanted = cross_val_predict(search, X, Y, cv=FOLDS, method="predict_proba")[:, 1]
    np.testing.assert_array_equal(of(result, "search")["probability"], wanted)


def test_estimators_stay_as_they_are():
    model = LogisticRegression()
    evaluate({"lr": model}, X, Y, cv=2)
    assert not hasattr(model, "coef_")


def test_bar_is_on_standard_error_when_asked_for():
    said = io.StringIO()
    with redirect_stderr(said):
        evaluate(MODELS, X, Y, cv=2)
        assert said.getvalue() == ""
        evaluate(MODELS, X, Y, cv=2, verbose=1)
    assert "evaluate" in said.getvalue()
    assert "4/4" in said.getvalue()


def test_settings_can_be_changed_afterwards():
    result = evaluate(MODELS, X, Y, cv=FOLDS)
    strict = dataclasses.replace(result, specificity=1.0)
    name = "sensitivity_at_specificity"
    assert (strict.per_fold[name] <= result.per_fold[name]).all()
    assert not strict.per_fold[name].equals(result.per_fold[name])


@pytest.mark.slow
def test_attention_mixer_is_an_estimator_like_any_other(tmp_path):
    mixer = AttentionMixerClassifier(image=None, max_epochs=3, random_state=0)
    result = evaluate(
        {"mixer": mixer, "lr": LogisticRegression()}, X, Y, cv=FOLDS, storage=tmp_path
    )
    assert of(result, "mixer")["probability"].between(0, 1).all()
    again = evaluate({"mixer": mixer}, X, Y, cv=FOLDS, storage=tmp_path)
    np.testing.assert_array_equal(
        of(again, "mixer")["probability"], of(result, "mixer")["probability"]
    )
    assert len(list(tmp_path.glob("*.array"))) == 8
    assert result.compare("lr", n_resamples=100).shape[0] == 1
