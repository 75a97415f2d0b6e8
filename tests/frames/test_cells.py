from __future__ import annotations

import numpy as np
import pandas as pd

from skedema.frames.cells import without


def test_columns_that_lose_nothing_keep_their_type():
    table = pd.DataFrame({"count": np.arange(60), "flag": np.arange(60) % 2 == 0, "sex": "m"})
    gone = np.zeros((60, 2), dtype=bool)
    gone[3, 1] = True
    holed = without(table, [0, 1], gone)
    assert holed.dtypes[["count", "flag"]].astype(str).tolist() == ["int64", "float64"]
    pd.testing.assert_frame_equal(holed.drop(columns="flag"), table.drop(columns="flag"))


def test_integers_and_texts_of_arrays_can_be_missing():
    gone = np.array([[True], [False]])
    assert np.isnan(without(np.array([[1, 2], [3, 4]]), [1], gone)[0, 1])
    assert without(np.array([["a"], ["b"]]), [0], gone).tolist()[1] == ["b"]
