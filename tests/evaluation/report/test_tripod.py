from __future__ import annotations

import re

from skedema.evaluation._report import NAMES
from skedema.evaluation._report.tripod import ITEMS, STATE, tripod


def test_all_27_items_are_there_once_and_in_order():
    numbers = [number for number, _, _ in ITEMS]
    assert len(set(numbers)) == len(numbers)
    assert list(dict.fromkeys(int(re.match(r"\d+", n).group()) for n in numbers)) == [*range(1, 28)]


def test_items_name_sections_that_there_are():
    assert {where for _, _, where in ITEMS} <= {*NAMES, ""}


def test_what_the_page_does_not_say_is_for_the_authors():
    (table,) = [piece for piece in tripod({"methods": "Methods"}).pieces if hasattr(piece, "rows")]
    here = {row[0]: row[2] for row in table.rows}
    assert here["12c"] == "In part: Methods"
    assert here["20b"] == STATE  # of the cohort, which this page leaves out
    assert here["17"] == STATE
