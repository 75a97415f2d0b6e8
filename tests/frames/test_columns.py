from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skedema.frames import find_column, match_columns, read_table

MIXED = {"age": [61, None, 48], "sex": ["f", None, "m"], "dm": [True, False, None]}


def matched(X, keys, n=2) -> list:
    table = match_columns(read_table(X), keys, n, "Model")
    return [column.values[0] for column in table.columns]


def test_columns_are_matched_by_name():
    assert matched(pd.DataFrame({"b": [2], "a": [1]}), ["a", "b"]) == [1, 2]
    assert matched(pl.DataFrame({"b": [2], "a": [1]}), ["a", "b"]) == [1, 2]


def test_columns_are_matched_by_labels_that_are_no_text():
    assert matched(pd.DataFrame([[2, 1]], columns=[8, 7]), [7, 8]) == [1, 2]
    assert matched(pd.DataFrame([[2, 1]], columns=[1, 0]), [0, 1]) == [1, 2]
    with pytest.raises(ValueError, match="missing now: 7; columns not seen in fit: 9"):
        matched(pd.DataFrame([[2, 1]], columns=[8, 9]), [7, 8])
    with pytest.raises(ValueError, match="missing now: 'a', 'b'; columns not seen in fit: 8, 9"):
        matched(pd.DataFrame([[2, 1]], columns=[8, 9]), ["a", "b"])


def test_columns_without_names_are_matched_by_position():
    assert matched([[1, 2]], None) == [1, 2]
    assert matched([[1, 2]], ["a", "b"]) == [1, 2]
    assert matched(pd.DataFrame([[1, 2]]), ["a", "b"]) == [1, 2]
    assert matched(pd.DataFrame([[1, 2]]), [7, 8]) == [1, 2]
    table = match_columns(read_table([[1, 2]]), ["a", "b"], 2, "Model")
    assert table.names == ["a", "b"]
    assert [c.label for c in table.columns] == ["'a'", "'b'"]


@pytest.mark.parametrize("keys", [None, [0, 1]])
def test_names_that_fit_did_not_have_are_warned_of(keys):
    with pytest.warns(UserWarning, match="Model was fitted without feature names"):
        assert matched(pd.DataFrame({"b": [2], "a": [1]}), keys) == [2, 1]


@pytest.mark.parametrize("X", [[[1]], [[1, 2, 3]], pd.DataFrame([[1]])])
def test_another_number_of_columns_is_an_error(X):
    with pytest.raises(ValueError, match="expecting 2 features"):
        matched(X, ["a", "b"])


def test_columns_are_found_by_name_and_position():
    table = read_table(pd.DataFrame(MIXED))
    positions = [find_column(table, c, "image") for c in ("dm", 2, -1, np.int64(2))]
    assert positions == [2, 2, 2, 2]
    labelled = read_table(pd.DataFrame([[1, 2]], columns=[1, 0]))
    with pytest.raises(ValueError, match="label of one column and the position of another"):
        find_column(labelled, 0, "image")
    assert find_column(read_table(pd.DataFrame([[1, 2]])), 1, "image") == 1
