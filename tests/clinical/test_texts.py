from __future__ import annotations

import pytest

from skedema.clinical.texts import is_amount, is_date, is_no_value, without_style

AMOUNTS = ["5", "5,1", "<0.5", "41 %", "5 mg/dl", "5.2 H", "120/80", ".5", "1e3", "\u22123"]
DATES = ["2024-03-01", "1/3/24", "3 Mar 2024", "10:35", "2024-03-01 10:35"]
NO_VALUES = ["nan", "NaN", "<NA>", "#DIV/0!", " #n/a "]
WORDS = ["m", "1d", "T2", "none", "unknown", "left", "stage 2", "5 of 7"]


@pytest.mark.parametrize("text", [*AMOUNTS, *DATES, *NO_VALUES, *WORDS])
def test_a_text_is_one_thing_or_none(text):
    found = [is_amount(text), is_date(text), is_no_value(text)]
    assert found == [text in AMOUNTS, text in DATES, text in NO_VALUES]


def test_a_sentence_is_nothing_however_it_begins():
    assert not is_amount("5 " * 40)
    assert not is_date("2024-03-01 10:35" + " and so on" * 8)


def test_style_is_case_blanks_and_coding():
    assert without_style(" M\u200b ") == without_style("m") == "m"
    assert without_style("stra\u00dfe") == without_style("STRASSE")
    assert without_style("a  b") == "a b" != without_style("ab")
