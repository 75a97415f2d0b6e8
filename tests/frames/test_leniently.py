from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skedema.frames.leniently import read_leniently

X = pd.DataFrame(
    {"age": [61, 74, 80], "when": pd.date_range("2024-01-01", periods=3), "side": ["l", "NA", "r"]},
    index=["P1", "P2", "P3"],
)


@pytest.mark.parametrize(
    ("table", "where"),
    [(X, "row 1 (index 'P2')"), (pl.DataFrame(X.to_dict("list")), "row 1")],
)
def test_columns_that_cannot_be_read_are_empty_and_the_others_are_there(table, where):
    found, wrong = read_leniently(table)
    assert found.names == ["age", "when", "side"]
    assert list(wrong) == [1]
    assert "dates or times" in wrong[1]
    assert found.columns[1].missing().all()
    assert found.columns[0].values.tolist() == [61, 74, 80]
    assert found.columns[2].values.tolist() == ["l", None, "r"]
    assert found.words == {2: ("'NA'", where)}


def test_columns_of_an_array_have_positions():
    found, wrong = read_leniently(X.to_numpy())
    assert found.keys is None
    assert [column.label for column in found.columns] == ["0", "1", "2"]
    assert list(wrong) == [1]


def test_a_table_that_can_be_read_is_read_as_a_whole():
    found, wrong = read_leniently(X[["age", "side"]])
    assert wrong == {}
    assert found.words == {1: ("'NA'", "row 1 (index 'P2')")}


@pytest.mark.parametrize("nothing", [np.zeros(3), X["age"], None, X.iloc[:0]])
def test_what_is_no_table_of_columns_is_refused(nothing):
    with pytest.raises(ValueError, match=r"Expected 2D array|0 sample"):
        read_leniently(nothing)
