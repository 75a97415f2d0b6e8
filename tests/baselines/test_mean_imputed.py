from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from skedema.baselines import (
    MeanImputed,
)


def test_means_and_most_frequent_categories_are_filled_in():
    X = pd.DataFrame({"a": [1.0, 3.0, None, 9.0], "b": ["u", "v", "v", None], "c": [None] * 4})
    weight = np.array([1.0, 1.0, 1.0, 0.0])
    with pytest.warns(UserWarning, match="'c' holds no value at all"):
        fitted = MeanImputed(indicator=True).fit(X, sample_weight=weight)
    plain = fitted.metadata_.transform(X)
    assert fitted.fill_.tolist() == [np.mean(plain[:2, 0]), 1.0, 0.0]
    assert fitted.n_categories_.tolist() == [0, 2, 0, 0, 0, 0]
    found = fitted.transform(X)
    assert_array_equal(found[:, :3][~np.isnan(plain)], plain[~np.isnan(plain)])
    assert_array_equal(found[:, 3:], np.isnan(plain))
    assert fitted.get_feature_names_out().tolist() == [
        *("a", "b", "c", "a missing", "b missing", "c missing")
    ]
    with pytest.warns(UserWarning, match="'c' holds no value at all"):
        assert MeanImputed().fit_transform(X).shape == (4, 3)
