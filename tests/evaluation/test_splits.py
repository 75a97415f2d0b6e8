from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
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
)

from skedema.evaluation import evaluate

RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(80, 3)), columns=["sodium", "glucose", "age"])
Y = (X["sodium"] + RNG.normal(size=80) > 0.3).astype(int)
PATIENTS = np.repeat(np.arange(40), 2)
MODELS = {"lr": LogisticRegression(), "prevalence": DummyClassifier()}
FOLDS = StratifiedKFold(4, shuffle=True, random_state=3)


def of(result, name):
    table = result.predictions
    return table[table["estimator"] == name].sort_values(["repeat", "row"])


def test_repeats_are_told_apart_for_any_splitter():
    repeated = evaluate(MODELS, X, Y, cv=RepeatedStratifiedKFold(n_splits=3, n_repeats=2))
    assert repeated.folds["repeat"].tolist() == [0, 0, 0, 1, 1, 1] * 2
    assert repeated.folds["fold"].tolist() == [0, 1, 2, 0, 1, 2] * 2
    assert len(of(repeated, "lr")) == 160
    assert "2 x 3 folds" in repr(repeated)
    shuffled = evaluate(MODELS, X, Y, cv=StratifiedShuffleSplit(3, test_size=0.5, random_state=0))
    assert shuffled.folds["repeat"].tolist() == [0, 1, 2] * 2
    assert shuffled.summary(["roc_auc"], n_resamples=50)["pooled"].notna().all()


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
    assert table.loc[undefined, ["low", "high"]].isna().all(axis=None)
    parts = result.subgroups(np.zeros(80), metrics=["specificity"], n_resamples=200)
    for row in (table.loc["accuracy"], table.loc["specificity"], parts.loc[0]):
        assert (row["pooled"], row["low"]) == (0, 0)
        assert row["high"] == pytest.approx(0.278, abs=0.001)  # Wilson's, of none of ten
    evaluate(MODELS, X, Y, cv=LeaveOneOut())  # folds of one class, and all together of both


def test_rows_both_trained_and_tested_on_are_refused():
    with pytest.raises(ValueError, match=r"1 row is both.*position 3"):
        evaluate(MODELS, X, Y, cv=[(np.arange(40), np.r_[3, 40:80])])
    with pytest.raises(ValueError, match="one class only"):
        evaluate(MODELS, X, Y, cv=[(np.flatnonzero(Y), np.flatnonzero(Y == 0))])
    with pytest.raises(ValueError, match="gives no folds"):
        evaluate(MODELS, X, Y, cv=[])
