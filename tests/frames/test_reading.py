from __future__ import annotations

import decimal

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import polars as pl
import pytest

from skedema.frames import Table, read_table

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
