from __future__ import annotations

import io

import pandas as pd
import polars as pl
import pytest

from skedema.frames import read_table

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
