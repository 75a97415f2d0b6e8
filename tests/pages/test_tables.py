from __future__ import annotations

import numpy as np
import pandas as pd

from skedema._pages import Page, Section, table_of

NOTHING = "\N{EN DASH}"


def test_each_row_and_column_has_a_heading_that_says_so():
    frame = pd.DataFrame(
        {"n": [3, 4], "auc": [0.8125, np.nan], "note": ["<few>", None]},
        index=pd.Index(["a", "b"], name="model"),
    )
    table = table_of(frame, "Figures", digits=2, note="Of two.")
    assert table.columns == ["model", "n", "auc", "note"]
    assert table.rows == [["a", "3", "0.81", "<few>"], ["b", "4", NOTHING, NOTHING]]
    html = Page("sections.html", title="T", sections=[Section("S", [table])]).html
    assert "<caption>Figures</caption>" in html
    assert html.count('scope="col"') == 4
    assert html.count('scope="row"') == 2
    assert "&lt;few&gt;" in html
    assert "Of two." in html


def test_first_column_is_the_heading_where_there_is_no_index():
    table = table_of(pd.DataFrame({"what": ["x"], "yes": [np.True_]}), "C", index=False)
    assert (table.columns, table.rows, table.n_headers) == (["what", "yes"], [["x", "yes"]], 1)


def test_levels_of_an_index_are_headings_all_of_them():
    index = pd.MultiIndex.from_product([["a"], [0, 1]], names=["model", "fold"])
    table = table_of(pd.DataFrame({"n": [1, 2]}, index=index), "C")
    assert table.n_headers == 2
    assert table.rows == [["a", "0", "1"], ["a", "1", "2"]]
    assert table.numbers == {1, 2}


def test_lists_are_written_one_after_the_other():
    assert table_of(pd.DataFrame({"a": [[1, 2.5], []]}), "C", digits=1).rows == [
        ["0", "1, 2.5"],
        ["1", NOTHING],
    ]
