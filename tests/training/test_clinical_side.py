from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.preprocessing import FunctionTransformer

from skedema import ClinicalTokenizer
from skedema._training.clinical_side import ClinicalSide
from skedema.frames import read_table

X = pd.DataFrame({"age": [61.0, None, 55.0, 70.0], "sex": ["f", "m", None, "m"]})
LABELS, WEIGHT = np.array([0, 1, 0, 1]), np.ones(4)


def test_values_are_those_of_the_tokenizer():
    side = ClinicalSide(None).fit(read_table(X), LABELS, WEIGHT)
    expected = ClinicalTokenizer().fit(X, LABELS)
    assert_array_equal(side.transform(read_table(X)), expected.transform(X))
    assert side.variables == ["age", "sex"]
    assert side.n_categories == [0, 2]


def test_without_columns_there_is_nothing_to_learn():
    side = ClinicalSide(None).fit(read_table(X).select([]), LABELS, WEIGHT)
    assert (side.metadata, side.variables, side.n_categories) == (None, [], [])
    assert side.transform(read_table(X).select([])).shape == (4, 0)


def test_columns_without_names_are_called_by_where_they_stand():
    table = read_table(X.to_numpy(dtype=object))
    assert ClinicalSide(None).fit(table, LABELS, WEIGHT, [1, 3]).variables == ["x1", "x3"]


def test_only_who_asks_is_warned_of_unusual_values():
    many = pd.DataFrame({"age": np.random.default_rng(0).normal(60, 9, 50)})
    side = ClinicalSide(None).fit(read_table(many), np.arange(50) % 2, np.ones(50))
    odd = read_table(many[:4].assign(age=1e6))
    found = side.transform(odd)
    with pytest.warns(UserWarning, match="'age'"):
        assert_array_equal(side.transform(odd, warn=True), found)


def test_without_columns_metadata_is_not_asked_for():
    assert ClinicalSide("tokenizer").fit(read_table(X).select([]), LABELS, WEIGHT).metadata is None


def test_other_transformers_must_give_a_row_of_numbers_a_patient():
    with pytest.raises(TypeError, match="metadata must be a transformer"):
        ClinicalSide("tokenizer").fit(read_table(X), LABELS, WEIGHT)
    side = ClinicalSide(FunctionTransformer(lambda frame: frame[["age"]].to_numpy()[:2]))
    side.fit(read_table(X), LABELS, WEIGHT)
    with pytest.raises(ValueError, match=r"must give one row .* got shape \(2, 1\) for 4 patients"):
        side.transform(read_table(X))
