from __future__ import annotations

import dataclasses
import io
import re
import shutil
from contextlib import redirect_stderr

import numpy as np
import pandas as pd
import polars as pl
import pytest
from optuna.distributions import FloatDistribution
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    LeaveOneOut,
    RepeatedStratifiedKFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
    TunedThresholdClassifierCV,
    cross_val_predict,
)
from sklearn.svm import LinearSVC

from skedema import AttentionMixerClassifier
from skedema.evaluation import evaluate
from skedema.search import StudySearchCV

RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(80, 3)), columns=["sodium", "glucose", "age"])
Y = (X["sodium"] + RNG.normal(size=80) > 0.3).astype(int)
PATIENTS = np.repeat(np.arange(40), 2)
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


def test_repeats_are_told_apart_for_any_splitter():
    repeated = evaluate(MODELS, X, Y, cv=RepeatedStratifiedKFold(n_splits=3, n_repeats=2))
    assert repeated.folds["repeat"].tolist() == [0, 0, 0, 1, 1, 1] * 2
    assert repeated.folds["fold"].tolist() == [0, 1, 2, 0, 1, 2] * 2
    assert len(of(repeated, "lr")) == 160
    assert "2 x 3 folds" in repr(repeated)
    shuffled = evaluate(MODELS, X, Y, cv=StratifiedShuffleSplit(3, test_size=0.5, random_state=0))
    assert shuffled.folds["repeat"].tolist() == [0, 1, 2] * 2
    assert shuffled.summary(["roc_auc"], n_resamples=50)["pooled"].notna().all()


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


def test_groups_are_kept_whole_by_default():
    result = evaluate(MODELS, X, Y, groups=PATIENTS, random_state=0)
    table = of(result, "lr")
    assert (table.groupby(PATIENTS[table["row"]])["fold"].nunique() == 1).all()
    assert "80 rows of 40 patients" in repr(result)
    for cv in (GroupKFold(4), StratifiedGroupKFold(4)):
        assert len(of(evaluate(MODELS, X, Y, groups=PATIENTS, cv=cv), "lr")) == 80


@pytest.mark.parametrize("cv", [KFold(5, shuffle=True, random_state=0), FOLDS])
def test_no_splitter_may_split_a_group(cv):
    names = np.array([f"P{i:03}" for i in PATIENTS])
    with pytest.raises(ValueError, match=r"groups are both trained and tested.*'P0\d\d'.*Group"):
        evaluate(MODELS, X, Y, groups=names, cv=cv)


def test_sites_can_be_held_out_and_patients_drawn():
    sites = np.arange(80) // 20
    held_out = list(LeaveOneGroupOut().split(X, Y, sites))
    result = evaluate(MODELS, X, Y, cv=held_out, groups=PATIENTS)
    assert (of(result, "lr")["fold"] == sites).all()
    evaluate(MODELS, X, Y, cv=KFold(4), groups=PATIENTS)  # ignores groups, but splits none
    with pytest.warns(UserWarning, match="4 groups, and the bootstrap"):
        by_site = evaluate(MODELS, X, Y, cv=LeaveOneGroupOut(), groups=sites)
    pd.testing.assert_frame_equal(result.predictions, by_site.predictions)


def test_patient_in_several_rows_is_warned_of():
    indexed = X.set_index(pd.Index([f"P{i}" for i in PATIENTS]))
    with pytest.warns(UserWarning, match=r"40 labels in several rows, such as 'P0'.*groups="):
        evaluate(MODELS, indexed, Y.to_numpy(), cv=3)
    evaluate(MODELS, X.set_index(pd.Index(np.arange(80)[::-1])), Y.to_numpy(), cv=3)
    evaluate(MODELS, indexed, Y.to_numpy(), cv=3, groups=PATIENTS)


LABELLED = X.set_index(pd.Index([f"P{i}" for i in range(80)]))
SITE = pd.Series(["A", "B"] * 40, index=LABELLED.index)
ANOTHER_ORDER = "hold the same row labels in another order"


@pytest.mark.parametrize(
    ("name", "beside"),
    [
        ("groups", {"groups": SITE[::-1]}),
        ("subgroups['site']", {"subgroups": {"site": SITE[::-1]}}),
        ("subgroups", {"subgroups": SITE[::-1].to_frame("site")}),
    ],
)
def test_what_comes_beside_X_must_be_in_the_order_of_its_rows(name, beside):
    y = Y.set_axis(LABELLED.index)
    with pytest.raises(ValueError, match=re.escape(f"X and {name} {ANOTHER_ORDER}")):
        evaluate(MODELS, LABELLED, y, **beside)
    if "groups" in beside:  # X without labels, y with
        with pytest.raises(ValueError, match=re.escape(f"y and {name} {ANOTHER_ORDER}")):
            evaluate(MODELS, X.to_numpy(), y, **beside)
    with pytest.raises(ValueError, match=f"X and y {ANOTHER_ORDER}"):
        evaluate(MODELS, LABELLED, y[::-1])


def test_following_the_remedy_aligns_labels():
    y = Y.set_axis(LABELLED.index)
    wanted = evaluate(MODELS, LABELLED, y, cv=FOLDS).predictions
    mixed_up = y.sample(frac=1, random_state=0)
    found = evaluate(MODELS, LABELLED, mixed_up.loc[LABELLED.index], cv=FOLDS).predictions
    pd.testing.assert_frame_equal(found, wanted)


def test_subgroups_asked_for_later_must_be_in_the_order_of_the_rows():
    result = evaluate(MODELS, LABELLED, Y.to_numpy(), cv=FOLDS)
    wanted = result.subgroups(SITE.to_numpy(), n_resamples=10)
    pd.testing.assert_frame_equal(result.subgroups(SITE, n_resamples=10), wanted)
    with pytest.raises(ValueError, match=f"X and by {ANOTHER_ORDER}"):
        result.subgroups(SITE[::-1], n_resamples=10)


class OfNumbers(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.full((len(X), 2), 0.5)

    def predict(self, X):
        return self.classes_[np.ones(len(X), dtype=int)]


def test_scan_in_several_rows_is_warned_of():
    paths = [f"scans/{i}.nii.gz" for i in PATIENTS]
    sex = ["f", "m"] * 40
    for table in (
        pd.DataFrame({"scan": paths, "sex": sex}),
        pl.DataFrame({"scan": paths, "sex": sex}),
        np.array([paths, sex], dtype=object).T,
    ):
        with pytest.warns(UserWarning, match=r"40 scans of column .*0.nii.gz.*groups="):
            evaluate({"any": OfNumbers()}, table, Y, cv=2)
    evaluate({"any": OfNumbers()}, pd.DataFrame({"sex": sex}), Y, cv=2)


@pytest.mark.parametrize("other", ["dotted", "link", "copy"])
def test_one_scan_under_two_names_is_warned_of(tmp_path, other):
    paths = [str(tmp_path / f"{k}.npy") for k in range(80)]
    for k, path in enumerate(paths):
        np.save(path, np.full((2, 2, 2), k))
    table = pd.DataFrame({"scan": paths, "sex": ["f", "m"] * 40})
    evaluate({"any": OfNumbers()}, table, Y, cv=2)
    second = tmp_path / "other.npy"
    if other == "dotted":
        second = str(tmp_path / "." / "3.npy").replace("/3.npy", "/./3.npy")
    elif other == "link":
        second.symlink_to(paths[3])
    else:
        shutil.copy(paths[3], second)
    table.loc[50, "scan"] = str(second)
    with pytest.warns(
        UserWarning, match=r"1 scan of column 'scan' is in several rows.*in rows 3, 50.*groups="
    ):
        evaluate({"any": OfNumbers()}, table, Y, cv=2)
    groups = np.arange(80)
    with pytest.warns(UserWarning, match="one value in groups="):
        evaluate({"any": OfNumbers()}, table, Y, cv=2, groups=groups)
    groups[50] = 3
    evaluate({"any": OfNumbers()}, table, Y, cv=2, groups=groups)


def test_rows_with_the_same_measurements_are_warned_of():
    twice = X.copy()
    twice.iloc[71] = X.iloc[4]
    for table in (twice, pl.DataFrame(twice.to_dict("list")), twice.to_numpy()):
        with pytest.warns(
            UserWarning, match=r"2 rows have the clinical values.*rows 4, 71.*groups="
        ):
            evaluate(MODELS, table, Y, cv=FOLDS)
    all_twice = X[:40].loc[np.repeat(np.arange(40), 2)].reset_index(drop=True)
    with pytest.warns(UserWarning, match="80 rows have the clinical values of another one"):
        evaluate(MODELS, all_twice, Y, cv=FOLDS)
    evaluate(MODELS, all_twice, Y, cv=4, groups=PATIENTS)


def test_rows_that_agree_in_values_which_others_have_too_are_not():
    coarse = X.round(0)
    coarse.iloc[71] = coarse.iloc[4]
    evaluate(MODELS, coarse, Y, cv=FOLDS)
    signs = (X > 0).astype(int)
    evaluate(MODELS, signs, Y, cv=FOLDS)


def test_a_test_part_of_one_class_is_warned_of_and_gives_no_false_certainty():
    negative = np.flatnonzero(Y == 0)[:10]
    cv = [(np.setdiff1d(np.arange(80), negative), negative)]
    wrong = {"always": DummyClassifier(strategy="constant", constant=1)}
    with pytest.warns(UserWarning, match=r"All 10 rows that are tested in repeat 0 are of class 0"):
        result = evaluate(wrong, X, Y, cv=cv)
    table = result.summary(n_resamples=200).set_index("metric")
    assert table.loc["accuracy", "pooled"] == 0
    undefined = ["roc_auc", "average_precision", "balanced_accuracy", "recall", "calibration_slope"]
    assert table.loc[undefined, "pooled"].isna().all()
    assert table.loc[["accuracy", "specificity", *undefined], ["low", "high"]].isna().all(axis=None)
    parts = result.subgroups(np.zeros(80), metrics=["specificity"], n_resamples=200)
    assert parts.loc[0, ["low", "high"]].isna().all()
    evaluate(MODELS, X, Y, cv=LeaveOneOut())  # folds of one class, and all together of both


def test_words_for_missing_are_told_once_for_all_folds():
    words = X.assign(note=["NA", "yes", "no", "no"] * 20)
    mixer = {"mixer": AttentionMixerClassifier(max_epochs=1, random_state=0)}
    with pytest.warns(UserWarning, match="Taken as missing values.*'note', rows 0, 4,") as caught:
        evaluate(mixer, words, Y, cv=3)
    assert len(caught) == 1
    assert caught[0].filename == __file__


LEAKING = X.assign(outcome=np.where(Y, "yes", "no"), mrn=np.arange(80) + 500)


def test_leaks_are_told_once_for_all_folds():
    mixer = {"mixer": AttentionMixerClassifier(max_epochs=1, random_state=0)}
    with pytest.warns(UserWarning, match="may read the answer off") as caught:
        result = evaluate(mixer, LEAKING, Y, cv=3)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert [leak.columns for leak in result.leaks] == [("'outcome'",), ("'mrn'",)]
    assert "each class" in str(result.leaks[0])
    trusted = evaluate(mixer, LEAKING, Y, cv=3, trusted_columns=["outcome", "mrn"])
    assert trusted.leaks == ()
    with pytest.raises(ValueError, match="trusted_columns='nrm'"):
        evaluate(mixer, LEAKING, Y, cv=3, trusted_columns=["nrm"])


def test_rows_both_trained_and_tested_on_are_refused():
    with pytest.raises(ValueError, match=r"1 row is both.*position 3"):
        evaluate(MODELS, X, Y, cv=[(np.arange(40), np.r_[3, 40:80])])
    with pytest.raises(ValueError, match="one class only"):
        evaluate(MODELS, X, Y, cv=[(np.flatnonzero(Y), np.flatnonzero(Y == 0))])
    with pytest.raises(ValueError, match="gives no folds"):
        evaluate(MODELS, X, Y, cv=[])


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
