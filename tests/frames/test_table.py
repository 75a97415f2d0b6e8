from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest

from skedema.frames import Column, Table, listed, listing, read_table

MIXED = {"age": [61, None, 48], "sex": ["f", None, "m"], "dm": [True, False, None]}


def plain(table: Table) -> list[list]:
    """The cells, NaN as None."""
    return [
        [None if v is None or v != v else v for v in column.values.tolist()]
        for column in table.columns
    ]


def test_rows_are_named_by_position_and_label():
    table = read_table(pd.DataFrame({"a": range(13)}, index=[f"P{i}" for i in range(13)]))
    assert table.rows(np.array([2])) == "row 2 (index 'P2')"
    assert table.rows(np.arange(13) < 2) == "rows 0, 1 (index 'P0', 'P1')"
    assert table.rows(np.ones(13, dtype=bool)).count("(13 in all)") == 2
    assert read_table([[1], [2]]).rows(np.array([1])) == "row 1"


def test_taken_rows_keep_their_numbers():
    table = read_table(pd.DataFrame({"a": [1, 2, 3, 4]}, index=list("wxyz")))
    part = table.take(np.array([False, True, True, True])).take(np.array([2, 0]))
    assert len(part) == 2
    assert part.columns[0].values.tolist() == [4, 2]
    assert part.rows(np.array([0])) == "row 3 (index 'z')"


def test_selected_columns_keep_everything_else():
    table = read_table(pd.DataFrame(MIXED, index=list("xyz")))
    part = table.select([2, 0])
    assert part.names == ["dm", "age"]
    assert part.index is table.index
    assert part.columns[0] is table.columns[2]


def test_to_pandas_is_the_table_again():
    frame = pd.DataFrame(MIXED, index=[7, 8, 9]).astype({"sex": "category"})
    back = read_table(frame).to_pandas()
    assert back.index.tolist() == [7, 8, 9]
    assert back.dtypes.astype(str).tolist() == ["float64", "category", "float64"]
    assert plain(read_table(back)) == plain(read_table(frame))
    assert read_table([[1, 2]]).to_pandas().columns.tolist() == ["x0", "x1"]


def test_tables_can_be_pickled():
    table = read_table(pd.DataFrame(MIXED))
    assert plain(pickle.loads(pickle.dumps(table))) == plain(table)


def test_ten_items_are_listed_and_long_ones_cut():
    assert listing(list("abc")) == "a, b, c"
    assert listing([str(i) for i in range(12)]).endswith("9, ... (12 in all)")
    assert listed(["x", "x", 1, 2, 3], 3) == "'x', 1, 2"
    assert len(listed(["x" * 1000])) < 80
    assert len(listed([np.zeros((50, 50, 50))])) < 80


def test_columns_do_not_change():
    column = Column("'a'", np.zeros(2))
    with pytest.raises(AttributeError):
        column.label = "'b'"


def test_counts_agree_with_their_words():
    from skedema.frames import counted

    assert counted(1, "row is", "rows are") == "1 row is"
    assert [counted(n, "row is", "rows are") for n in (0, 2)] == ["0 rows are", "2 rows are"]
