from __future__ import annotations

import decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skedema import ClinicalTokenizer


def column(values, **parameters) -> pd.DataFrame:
    return pd.DataFrame({"a": pd.Series(values, **parameters)})


@pytest.mark.parametrize(
    "later",
    [
        pd.Series([3, 1, 2]),
        pd.Series([3.0, 1.0, 2.0]),
        pd.Series(["3", "1", "2"]),
        pd.Series([3, 1, 2], dtype="Int8"),
        pd.Series([3, 1, 2], dtype="category"),
        pd.Series([3, 1.0, "2"], dtype=object),
        pl.Series([3, 1, 2]),
    ],
    ids=lambda s: str(s.dtype),
)
def test_codes_of_categories_survive_another_dtype(later):
    tokenizer = ClinicalTokenizer(categorical_features=["a"]).fit(column([1, 2, 3]))
    frame = pl.DataFrame({"a": later}) if isinstance(later, pl.Series) else column(later)
    assert tokenizer.transform(frame)[:, 0].tolist() == [2, 0, 1]


@pytest.mark.parametrize("dtype", [bool, object, "boolean", "category", float, "Int64"])
def test_truth_values_are_the_same_in_every_dtype(dtype):
    values = [True, False, True, True]
    expected = ClinicalTokenizer().fit_transform(column(values, dtype=float))
    later = column(values, dtype=dtype)
    fitted = ClinicalTokenizer().fit(column(values))
    np.testing.assert_array_equal(fitted.transform(later), expected)


ALIKE = [
    *[("m", "M"), ("m", "m "), ("a b", "a  b"), ("\u00e9", "e\u0301"), ("m", "m\u200b")],
    *[
        ("m", "\ufeffm"),
        ("m", "m\x00"),
        ("m", "\uff4d"),
        ("a b", "a\u00a0b"),
        ("1", "01"),
        ("1", "1.0"),
    ],
]


@pytest.mark.parametrize("twins", ALIKE)
def test_categories_that_only_look_different_are_one(twins):
    first, second = twins
    known = [first, second, first, "f", "f"]
    with pytest.warns(UserWarning, match="count as one: .* of column 'a'") as caught:
        tokenizer = ClinicalTokenizer(categorical_features=[0]).fit(column(known))
    assert len(caught) == 1
    assert tokenizer.categories_ == [sorted([first, "f"])]
    later = tokenizer.transform(column([first, second, "f"]))[:, 0]
    assert later[0] == later[1] != later[2]
    only = ClinicalTokenizer(categorical_features=[0]).fit(column([first, "f", first]))
    np.testing.assert_array_equal(only.transform(column([first, second, "f"]))[:, 0], later)


def test_the_most_frequent_spelling_is_shown_by_weight():
    frame, weight = column(["m", "M", "M", "f"]), np.array([5, 1, 1, 1])
    with pytest.warns(UserWarning, match="count as one"):
        weighted = ClinicalTokenizer().fit(frame, sample_weight=weight)
    with pytest.warns(UserWarning, match="count as one"):
        repeated = ClinicalTokenizer().fit(frame.loc[np.repeat(np.arange(4), weight)])
    assert weighted.categories_ == repeated.categories_ == [["f", "m"]]


def test_one_warning_names_all_joined_categories():
    frame = pd.DataFrame({"a": ["m", "M", "f"], "b": ["u", "u ", "v"]})
    with pytest.warns(UserWarning, match="'M', 'm' of column 'a'; 'u', 'u ' of column") as caught:
        ClinicalTokenizer().fit(frame)
    assert len(caught) == 1


@pytest.mark.parametrize("known", [[1, 2, 1], [1.0, 2.0, 1.0], ["1", "2", "1"], ["01", "02", "01"]])
@pytest.mark.parametrize(
    "later", [[1, 2], [1.0, 2.0], ["1", "2"], ["1.0", "2.0"], ["01", "002"], [True, 2]]
)
def test_a_number_and_its_text_are_one_category(known, later):
    tokenizer = ClinicalTokenizer(categorical_features=["a"]).fit(column(known))
    assert tokenizer.transform(column(later, dtype=object))[:, 0].tolist() == [0, 1]


@pytest.mark.parametrize("dtype", ["float32", "float64", object])
def test_decimals_are_one_category_in_every_precision(dtype):
    values = [0.1, 0.25, 2.7]
    tokenizer = ClinicalTokenizer(categorical_features=["a"]).fit(column(values, dtype="float32"))
    assert tokenizer.categories_ == [["0.1", "0.25", "2.7"]]
    assert tokenizer.transform(column(values, dtype=dtype))[:, 0].tolist() == [0, 1, 2]
    texts = [decimal.Decimal("0.10"), "0.25", "2.70"]
    assert tokenizer.transform(column(texts, dtype=object))[:, 0].tolist() == [0, 1, 2]


@pytest.mark.parametrize("texts", [["True", "False"], ["true", "false"], ["TRUE", "FALSE"]])
def test_truth_values_as_text_are_truth_values(texts):
    as_text = ClinicalTokenizer().fit(column([*texts, texts[0]]))
    np.testing.assert_array_equal(
        as_text.transform(column([True, False])), as_text.transform(column(texts))
    )
    as_bool = ClinicalTokenizer().fit(column([True, False, True]))
    np.testing.assert_array_equal(
        as_bool.transform(column(texts)), as_bool.transform(column([True, False]))
    )
