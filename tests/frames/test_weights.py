from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from skedema.frames import read_table
from skedema.frames.weights import read_weights

TABLE = read_table(pd.DataFrame({"age": [61, 74, 80]}, index=["P1", "P2", "P3"]))


def test_weights_are_numbers_in_the_order_of_the_rows():
    assert read_weights(None, TABLE).tolist() == [1, 1, 1]
    for given in ([0, 1, 2], np.array([0, 1, 2]), pd.Series([0, 1, 2], index=["P1", "P2", "P3"])):
        weight = read_weights(given, TABLE)
        assert weight.dtype == np.float64
        assert weight.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([1, 2], "sample_weight has 2 weights for 3 patients"),
        ([1, None, 2], r"NaN, inf or text in row 1 \(index 'P2'\)"),
        ([1, np.inf, "x"], "NaN, inf or text in rows 1, 2"),
        ([1, 2, -1], r"Negative values .* in row 2 \(index 'P3'\)"),
        ([0, 0, 0], "at least one weight that is not zero"),
        ([1e308, 1e308, 1e308], "no finite sum"),
        (pd.Series([1, 2, 3], index=["P3", "P2", "P1"]), "in another order"),
    ],
)
def test_other_weights_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        read_weights(given, TABLE)
