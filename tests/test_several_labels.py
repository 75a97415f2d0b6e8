"""Several labels a patient: scikit-learn's multilabel, with gaps."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.inspection import permutation_importance
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold, cross_val_predict, cross_validate
from skorch.callbacks import EpochScoring

import skedema
from skedema import AttentionMixerClassifier
from skedema.evaluation import evaluate
from skedema.inspection import explain

LABELS = ["edema", "bleeding", "shift"]


def findings(n: int = 80, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 3)), columns=["age", "sodium", "glucose"])
    y = pd.DataFrame(X.to_numpy() + rng.normal(0, 0.5, (n, 3)) > 0.3, columns=LABELS)
    return X, y.astype(int)


def with_gaps(y: pd.DataFrame) -> pd.DataFrame:
    gaps = np.random.default_rng(1).random(y.shape) < 0.3
    gaps[:, 0] &= ~gaps[:, 1]  # something is known of everyone
    return y.astype(float).mask(gaps)


def small(**options) -> AttentionMixerClassifier:
    chosen = {"dim": 8, "n_heads": 2, "max_epochs": 4, "n_members": 1, "random_state": 0}
    return AttentionMixerClassifier(**(chosen | options))


@pytest.fixture(scope="module")
def fitted():
    X, y = findings()
    return small(max_epochs=25, n_members=2).fit(X, with_gaps(y))


def test_each_label_has_its_probability(fitted):
    X, y = findings(seed=2)
    proba = fitted.predict_proba(X)
    assert fitted.label_names_.tolist() == LABELS
    assert fitted.classes_.tolist() == [[0, 1]] * 3
    assert_array_equal(fitted.predict(X), proba > 0.5)
    for k, name in enumerate(LABELS):
        assert roc_auc_score(y[name], proba[:, k]) > 0.8


@pytest.mark.parametrize("n_members", [1, 2])
def test_a_label_of_which_nothing_is_known_changes_no_other(n_members):
    """The networks of others begin alike, and gaps have no gradient: a tiny fit shows it."""
    X, y = findings()
    gaps = y.astype(float).assign(shift=np.nan)
    gaps.loc[:9, "shift"] = y["shift"][:10]
    fits = [small(n_members=n_members).fit(X, each) for each in (gaps, gaps)]
    assert_array_equal(*(fit.predict_proba(X) for fit in fits))
    other = small(n_members=n_members).fit(X, gaps.fillna(0.0)).predict_proba(X)
    assert not np.allclose(other[:, 2], fits[0].predict_proba(X)[:, 2])


def test_scikit_learn_scores_it_as_multilabel():
    X, y = findings()
    scores = cross_validate(small(), X, y, cv=2, scoring=["roc_auc", "accuracy", "f1_macro"])
    assert np.isfinite([scores[name] for name in scores]).all()


def test_folds_with_gaps_are_scored_label_by_label():
    def auc(clf, X, y):
        proba = clf.predict_proba(X)
        known = y.notna()
        return {
            name: roc_auc_score(y.loc[known[name], name], proba[known[name], k])
            for k, name in enumerate(y)
        }

    X, y = findings()
    folds = KFold(2, shuffle=True, random_state=0)
    scores = cross_validate(small(), X, with_gaps(y), cv=folds, scoring=auc)
    assert {f"test_{name}" for name in LABELS} <= set(scores)


def test_permutation_importance_finds_the_column_of_a_label(fitted):
    X, y = findings(seed=2)
    found = permutation_importance(fitted, X, y, scoring="roc_auc", n_repeats=2, random_state=0)
    assert (found.importances_mean > 0.05).all()


def test_order_of_weights_and_rows_of_weight_zero():
    X, y = findings()
    weight = np.r_[np.ones(60), np.zeros(20)]
    all_rows = small().fit(X, with_gaps(y), weight).predict_proba(X)
    assert_allclose(all_rows, small().fit(X[:60], with_gaps(y)[:60]).predict_proba(X))


def test_a_file_holds_it(fitted, tmp_path):
    X, _ = findings(seed=2)
    skedema.save(fitted, tmp_path / "model.skedema")
    loaded = skedema.load(tmp_path / "model.skedema")
    assert_array_equal(loaded.predict_proba(X), fitted.predict_proba(X))
    assert loaded.label_names_.tolist() == LABELS
    assert_array_equal(
        np.sort(loaded.held_out_.proba, axis=0), np.sort(fitted.held_out_.proba, axis=0)
    )


def test_a_killed_fit_goes_on(tmp_path):
    X, y = findings()
    whole = small(class_weight="balanced").fit(X, y)
    first = small(class_weight="balanced", checkpoint_dir=tmp_path).fit(X, y)
    again = small(class_weight="balanced", checkpoint_dir=tmp_path).fit(X, y)
    for each in (first, again):
        assert_array_equal(each.predict_proba(X), whole.predict_proba(X))


def test_early_stopping_and_callbacks_know_of_labels():
    X, y = findings()
    scoring = EpochScoring("roc_auc", lower_is_better=False)
    clf = small(early_stopping=True, callbacks=[scoring], validation_fraction=0.3).fit(X, y)
    assert all(0 <= epoch["roc_auc"] <= 1 for epoch in clf.net_.history)
    assert clf.held_out_.y.shape == clf.held_out_.proba.shape


def test_parts_of_the_patients_are_learned_from():
    X, y = findings()
    clf = small().partial_fit(X[:40], y[:40], classes=[0, 1]).partial_fit(X[40:], y[40:])
    assert clf.n_iter_ == 2
    with pytest.raises(ValueError, match=r"classes=\[0, 2\] differ from those of the first call"):
        clf.partial_fit(X, y, classes=[0, 2])


@pytest.mark.parametrize(
    "other",
    [lambda y: y[LABELS[::-1]], lambda y: y["edema"], lambda y: y[LABELS[:2]]],
    ids=["another order", "one column", "fewer"],
)
def test_a_fit_that_goes_on_wants_the_same_labels(other):
    X, y = findings()
    clf = small(warm_start=True).fit(X, y)
    before = clf.predict_proba(X)
    with pytest.raises(ValueError, match=r"The first fit learned .*'edema', 'bleeding', 'shift'"):
        clf.fit(X, other(y))
    assert_array_equal(clf.predict_proba(X), before)


def test_a_later_fit_may_be_of_one_column():
    X, y = findings()
    clf = small().fit(X, y).fit(X, y["edema"])
    assert clf.predict_proba(X).shape == (len(X), 2)
    assert not hasattr(clf, "label_names_")


def test_a_label_without_two_values_is_told_once():
    X, y = findings()
    with pytest.warns(UserWarning, match="one value only in column 'shift'") as told:
        small().fit(X, y.assign(shift=0))
    assert len(told) == 1


def test_a_column_that_tells_a_label_is_told():
    X, y = findings()
    with pytest.warns(UserWarning, match="column 'code'"):
        small().fit(X.assign(code=y["bleeding"] * 2.0), with_gaps(y))


def test_score_wants_the_labels_of_the_fit(fitted):
    X, y = findings(seed=2)
    exact = (fitted.predict(X) == y.to_numpy()).all(axis=1).mean()
    for same in (y, y.to_numpy(), y.astype("Int64"), y.astype(float)):
        assert fitted.score(X, same) == exact
    for other in (y[LABELS[::-1]], y[LABELS[:2]], y["edema"]):
        with pytest.raises(ValueError, match="The fit learned the labels"):
            fitted.score(X, other)


def test_out_of_fold_probabilities_have_a_column_a_label():
    X, y = findings()
    proba = cross_val_predict(small(), X, y, cv=2, method="predict_proba")
    first = small().fit(X[40:], y[40:]).predict_proba(X[:40])
    assert_array_equal(proba[:40], first)


def test_a_part_of_the_patients_may_know_nothing_of_a_label():
    X, y = findings()
    clf = small().partial_fit(X[:3], y[:3].assign(shift=np.nan), classes=[0, 1])
    clf.partial_fit(X[3:5], y[3:5].assign(edema=np.nan))
    assert clf.n_iter_ == 2
    with pytest.raises(ValueError, match=r"classes=\[0, 1, 2\].*Give classes=\[0, 1\]"):
        small().partial_fit(X, y, classes=[0, 1, 2])


def test_a_label_that_is_known_of_patients_without_weight_only():
    X, y = findings()
    weight = np.r_[np.zeros(20), np.ones(60)]
    with pytest.raises(ValueError, match="no value at all in column 'shift', among the patients"):
        small().fit(X, y.assign(shift=y["shift"].where(y.index < 20)), weight)


def test_score_asks_for_every_label(fitted):
    X, y = findings(seed=2)
    assert 0 <= fitted.score(X, y) <= 1
    with pytest.raises(ValueError, match="of 80 patients lack a label") as raised:
        fitted.score(X, with_gaps(y))
    remedy = str(raised.value).partition("where it is known: ")[2].rstrip(".")
    for given in (with_gaps(y), with_gaps(y).to_numpy(), with_gaps(y).astype("Int64")):
        names = {
            "pd": pd,
            "roc_auc_score": roc_auc_score,
            "clf": fitted,
            "X": X,
            "y": given,
            "k": 1,
        }
        *lines, last = remedy.split("; ")
        exec("\n".join(lines), names)
        assert 0.8 < eval(last, names) <= 1


def test_questions_about_one_outcome_are_refused_with_a_remedy_that_works(fitted):
    X, y = findings()
    remedy = re.escape("clone(clf).fit(X, y['edema'])")
    with pytest.raises(ValueError, match=f"3 labels a patient.*{remedy}"):
        explain(fitted, X.iloc[[0]])
    with pytest.raises(ValueError, match=r"y has 3 columns.*y\['edema'\]"):
        evaluate({"mine": small()}, X, y, cv=2)
    assert explain(small().fit(X, y["edema"]), X.iloc[[0]]) is not None


def test_what_it_costs_is_told():
    X, y = findings()
    assert small().estimate(X, with_gaps(y), cv=2).seconds > 0
