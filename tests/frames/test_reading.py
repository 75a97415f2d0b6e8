from __future__ import annotations

import decimal
import io
import pickle

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import polars as pl
import pytest

from skedema.frames import Column, Table, find_column, listed, listing, match_columns, read_table

MIXED = {"age": [61, None, 48], "sex": ["f", None, "m"], "dm": [True, False, None]}


def plain(table: Table) -> list[list]:
    """The cells, NaN as None."""
    return [
        [None if v is None or v != v else v for v in column.values.tolist()]
        for column in table.columns
    ]


@pytest.mark.parametrize(
    "container",
    [
        pd.DataFrame(MIXED),
        pd.DataFrame(MIXED).convert_dtypes(),
        pd.DataFrame(MIXED, dtype=object),
        pd.DataFrame(MIXED).astype({"sex": "category"}),
        pl.DataFrame(MIXED),
        nw.from_native(pl.DataFrame(MIXED)),
        nw.from_native(pd.DataFrame(MIXED)),
        pd.DataFrame(MIXED, dtype=object).to_numpy(),
        list(zip(*MIXED.values(), strict=True)),
        np.ma.array(
            [[61, "f", True], [0, "x", False], [48, "m", 0]],
            mask=[[0, 0, 0], [1, 1, 0], [0, 0, 1]],
            dtype=object,
        ),
    ],
    ids=lambda c: type(c).__module__.split(".")[0],
)
def test_every_container_reads_as_the_same_cells(container):
    table = read_table(container)
    assert plain(table) == [[61.0, None, 48.0], ["f", None, "m"], [1.0, 0.0, None]]
    assert [c.is_numeric for c in table.columns] == [True, False, True]
    assert [c.missing().tolist() for c in table.columns] == [
        [False, True, False],
        [False, True, False],
        [False, False, True],
    ]
    assert table.shape == (3, 3)
    assert table.names in (None, list(MIXED))


def test_a_table_comes_back_as_it_is():
    table = read_table([[1.0]])
    assert read_table(table) is table


def test_reading_copies_what_it_changes():
    cells = np.array([["a", np.nan], ["b", 2]], dtype=object)
    read_table(cells)
    assert cells[0, 1] is not None


@pytest.mark.parametrize(
    "missing", [None, np.nan, pd.NA, pd.NaT, float("nan"), decimal.Decimal("nan")]
)
def test_every_spelling_of_missing_is_missing(missing):
    frame = pd.DataFrame({"a": pd.Series([1, missing], dtype=object)})
    text = pd.DataFrame({"a": pd.Series(["x", missing], dtype=object)})
    assert read_table(frame).columns[0].missing().tolist() == [False, True]
    assert read_table(text).columns[0].missing().tolist() == [False, True]


@pytest.mark.parametrize(
    ("series", "categorical"),
    [
        (pd.Series(["a", "b"], dtype="category"), True),
        (pl.Series(["a", "b"], dtype=pl.Categorical), True),
        (pl.Series(["a", "b"], dtype=pl.Enum(["a", "b"])), True),
        (pd.Series(["a", "b"]), False),
        (pl.Series(["a", "b"]), False),
    ],
    ids=str,
)
def test_categories_are_known_by_dtype(series, categorical):
    frame = pl.DataFrame if isinstance(series, pl.Series) else pd.DataFrame
    assert read_table(frame({"a": series})).columns[0].categorical is categorical


def test_cells_that_are_sequences_stay_cells():
    volume = np.zeros((2, 2, 2))
    for container in ([[volume, 1], [volume, 2]], pd.DataFrame({"a": [volume] * 2, "b": [1, 2]})):
        table = read_table(container)
        assert table.columns[0].values[1] is volume
        assert table.columns[1].is_numeric


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a", "b"], ["a", "b"]),
        ([0, 1], None),
        ([5, 3], None),
        ([("x", 1), ("x", 2)], None),
    ],
)
def test_only_text_counts_as_names_and_labels_are_kept_as_keys(names, expected):
    frame = pd.DataFrame([[1, 2]])
    frame.columns = pd.Index(names, tupleize_cols=False)
    table = read_table(frame)
    assert table.names == expected
    assert table.keys == names
    assert [c.label for c in table.columns] == [repr(n) for n in names]
    assert read_table(np.ones((1, 2))).keys is None


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


WORDS = ["NA", "N/A", "n/a", "NULL", "null", "None"]


@pytest.mark.parametrize("word", [*WORDS, " NA ", "NA\u200b"])
def test_words_that_read_csv_takes_for_missing_are_missing(word):
    cells = [["x", 1.0], [word, word], ["y", 3.0]]
    tables = [
        pd.DataFrame(cells, columns=["a", "b"]),
        pd.DataFrame(cells, columns=["a", "b"]).astype({"a": "category"}),
        pl.DataFrame({"a": ["x", word, "y"]}),
        pd.DataFrame({"a": ["x", word, "y"]}).to_numpy(),
        cells,
    ]
    for X in tables:
        with pytest.warns(UserWarning, match="Taken as missing values.*row 1") as caught:
            table = read_table(X)
        assert len(caught) == 1
        assert table.columns[0].missing().tolist() == [False, True, False]
        if len(table.columns) > 1:
            assert table.columns[1].is_numeric


def test_the_words_are_those_of_pandas():
    file = io.StringIO("\n".join(["a", "x", *WORDS]))
    assert pd.read_csv(file)["a"].isna().tolist() == [False, *[True] * len(WORDS)]


@pytest.mark.parametrize("word", ["none", "unknown", "missing", "na", "?", "-"])
def test_other_words_are_findings(word):
    assert not read_table([["x"], [word]]).columns[0].missing().any()


def test_counts_agree_with_their_words():
    from skedema.frames import counted

    assert counted(1, "row is", "rows are") == "1 row is"
    assert [counted(n, "row is", "rows are") for n in (0, 2)] == ["0 rows are", "2 rows are"]
