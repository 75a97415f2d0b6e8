from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import permutation_test_score

from skedema import AttentionMixerClassifier
from skedema.frames import check_same_rows, read_table

X = pd.DataFrame({"age": [61, 74, 58]}, index=list("abc"))
Y = pd.Series([0, 1, 1], index=list("abc"))


@pytest.mark.parametrize("table", [X, read_table(X)])
def test_the_same_labels_in_the_same_order_pass(table):
    check_same_rows(table, y=Y, sample_weight=None, groups={"site": Y, "scanner": [1, 2, 3]})
    check_same_rows(table, y=Y.to_frame())


def test_what_has_no_labels_passes():
    for values in ([0, 1, 1], np.array([0, 1, 1]), pl.Series([0, 1, 1]), ("a", "b", "c")):
        check_same_rows(X, y=values)
    check_same_rows(pl.DataFrame({"age": [1, 2, 3]}), y=Y)
    check_same_rows(np.eye(3), y=Y)


def test_lengths_are_for_others_to_compare():
    check_same_rows(X, y=Y[:2])


def test_labels_in_another_order_are_refused_with_what_aligns_them():
    with pytest.raises(
        ValueError, match=r"row 0: index 'a' of X, 'c' of y.*y = y\.loc\[X\.index\]"
    ):
        check_same_rows(X, y=Y[::-1])
    check_same_rows(X, y=Y[::-1].loc[X.index])
    check_same_rows(X, y=Y[::-1].to_numpy())


def test_other_labels_are_refused_without_advice_that_fails():
    with pytest.raises(ValueError, match="do not have the same row labels") as caught:
        check_same_rows(X, y=Y.set_axis([0, 1, 2]))
    assert ".loc" not in str(caught.value)


def test_repeated_labels_are_refused_without_advice_that_multiplies_rows():
    twice = X.set_axis(list("aab"))
    check_same_rows(twice, y=Y.set_axis(list("aab")))
    with pytest.raises(ValueError, match="in another order") as caught:
        check_same_rows(twice, y=Y.set_axis(list("aba")))
    assert ".loc" not in str(caught.value)


def test_all_that_comes_beside_is_compared_where_X_has_no_labels():
    with pytest.raises(ValueError, match=r"y and weights\['w'\] hold the same row labels"):
        check_same_rows(np.eye(3), y=Y, weights={"w": Y[::-1]})


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_permutation_test_of_scikit_learn_may_shuffle_labels(n_jobs):
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    X, y = X.iloc[::8, :3].set_axis([f"P{i}" for i in range(72)]), y.iloc[::8]
    y = y.set_axis(X.index)
    clf = AttentionMixerClassifier(max_epochs=5, lr=1e-2, random_state=0)
    score, permuted, _ = permutation_test_score(
        clf, X, y, cv=2, n_permutations=4, random_state=0, n_jobs=n_jobs
    )
    assert score > permuted.max()
    wanted = permutation_test_score(
        clf, X, y.to_numpy(), cv=2, n_permutations=4, random_state=0, n_jobs=n_jobs
    )
    assert score == wanted[0]
    np.testing.assert_array_equal(permuted, wanted[1])
    with pytest.raises(
        ValueError, match="row labels"
    ):  # not what it shuffles, but what it is given
        permutation_test_score(clf, X, y[::-1], cv=2, n_permutations=2, n_jobs=n_jobs)
