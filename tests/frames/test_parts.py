from __future__ import annotations

import numpy as np
import pandas as pd

from skedema.frames import read_table
from skedema.frames.parts import numbers_in_whole, part_of

ROWS = [5, 1, 3]


def rows_of(X):
    return read_table(X).rows(np.array([0, 2]))


def test_a_part_names_its_rows_as_the_whole_does():
    array = np.arange(12.0).reshape(6, 2)
    frame = pd.DataFrame(array, columns=["a", "b"])
    named = frame.set_index(pd.Index(list("pqrstu")))
    for X in (array, frame):
        with part_of(X, ROWS) as part:
            assert rows_of(part) == "rows 5, 3"
    with part_of(named, ROWS) as part:
        assert rows_of(part) == "rows 5, 3 (index 'u', 's')"
    assert numbers_in_whole(part) is None


def test_a_frame_is_known_again_when_it_was_cut_further():
    frame = pd.DataFrame({"a": np.arange(6.0), "b": 0.0}, index=[10, 11, 12, 13, 14, 15])
    with part_of(frame, ROWS) as part:
        assert numbers_in_whole(part[["b"]].iloc[[1, 2]]).tolist() == [1, 3]
        with part_of(part, [2, 0]) as inner:
            assert numbers_in_whole(inner).tolist() == [3, 5]
        assert numbers_in_whole(part.set_axis([0, 1, 2])) is None


def test_a_part_of_a_part_of_an_array_is_known():
    array = np.arange(12.0).reshape(6, 2)
    with part_of(array, ROWS) as part:
        with part_of(part, [2, 0]) as inner:
            assert numbers_in_whole(inner).tolist() == [3, 5]
        assert numbers_in_whole(part).tolist() == ROWS
        assert numbers_in_whole(array) is None


def test_labels_that_come_twice_say_nothing():
    frame = pd.DataFrame({"a": np.arange(3.0)}, index=[7, 7, 8])
    with part_of(frame, [2, 0]) as part:
        assert numbers_in_whole(part).tolist() == [2, 0]
        assert numbers_in_whole(part.copy()) is None
