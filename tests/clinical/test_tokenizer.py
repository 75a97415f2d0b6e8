from __future__ import annotations

import decimal
import pickle
import time

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skedema import ClinicalTokenizer
from skedema.frames import read_table


def column(values, **parameters) -> pd.DataFrame:
    return pd.DataFrame({"a": pd.Series(values, **parameters)})


def codes(values, **parameters) -> list:
    return ClinicalTokenizer().fit_transform(column(values, **parameters))[:, 0].tolist()


def smooth(z: np.ndarray) -> np.ndarray:
    return z / np.sqrt(1 + (z / 3) ** 2)


@pytest.mark.parametrize("seed", range(3))
def test_numbers_are_scaled_by_median_and_quartiles_and_bounded(seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_t(2, size=101) * 50 + 140
    known = np.where(rng.random(101) < 0.2, np.nan, x)
    q25, q50, q75 = np.quantile(known[~np.isnan(known)], [0.25, 0.5, 0.75], method="inverted_cdf")
    tokenizer = ClinicalTokenizer().fit(column(known))
    expected = smooth((known - q50) / (q75 - q25))
    np.testing.assert_allclose(tokenizer.transform(column(known))[:, 0], expected)
    assert tokenizer.center_[0] == q50
    assert np.nanmax(np.abs(expected)) < 3


def test_a_constant_is_zero_whatever_comes():
    tokenizer = ClinicalTokenizer().fit(column([5.0, 5.0, None]))
    assert tokenizer.transform(column([5.0, 1e300]))[:, 0].tolist() == [0, 0]


def test_order_is_kept_and_bounds_hold_at_the_ends_of_float64():
    tokenizer = ClinicalTokenizer().fit(column(np.arange(50.0)))
    ends = np.array([-1.7e308, -1e9, -5.0, 0.0, 20.0, 60.0, 1e9, 1.7e308])
    with pytest.warns(UserWarning, match="unlike all that fit saw"):
        values = tokenizer.transform(column(ends))[:, 0]
    assert (np.diff(values) >= 0).all()
    assert (np.abs(values) <= 3).all()


def test_missing_stays_missing():
    assert np.isnan(codes([1.0, None, 3.0])[1])
    assert np.isnan(codes(["a", None, "b"])[1])
    with pytest.warns(UserWarning, match="no value at all"):
        assert np.isnan(codes([None, None])).all()


def test_weights_are_repeated_rows():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=40), "b": rng.choice(["x", "y", "z"], 40)})
    weight = rng.integers(0, 4, 40)
    weighted = ClinicalTokenizer().fit(frame, sample_weight=weight)
    repeated = ClinicalTokenizer().fit(frame.loc[np.repeat(np.arange(40), weight)])
    np.testing.assert_array_equal(weighted.center_, repeated.center_)
    np.testing.assert_array_equal(weighted.scale_, repeated.scale_)
    assert weighted.categories_ == repeated.categories_


def test_rows_without_weight_count_as_absent():
    frame = pd.DataFrame({"a": [1.0, 2.0, 1e9], "b": ["x", "y", "z"], "c": [None, None, 1.0]})
    with pytest.warns(UserWarning, match="'c' holds no value at all"):
        tokenizer = ClinicalTokenizer().fit(frame, sample_weight=[1, 1, 0])
    assert tokenizer.kinds_ == ["numeric", "categorical", "empty"]
    assert tokenizer.categories_[1] == ["x", "y"]
    assert tokenizer.center_[0] == 1


def test_categories_are_coded_in_their_order():
    assert codes(["m", "f", "m", "x"]) == [1, 0, 1, 2]
    tokenizer = ClinicalTokenizer().fit(column(["m", "f", "m", "x"]))
    assert tokenizer.categories_ == [["f", "m", "x"]]
    assert tokenizer.n_categories_.tolist() == [3]


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


def test_positions_and_names_say_which_numbers_are_categories():
    frame = pd.DataFrame({"age": [1.0, 2, 3], "site": [7, 7, 9]})
    for asked in (["site"], [1], [-1], ("site",), np.array(["site"])):
        tokenizer = ClinicalTokenizer(categorical_features=asked).fit(frame)
        assert tokenizer.kinds_ == ["numeric", "categorical"]
        assert tokenizer.categories_[1] == ["7", "9"]


def test_one_warning_names_everything_that_fit_did_not_see():
    frame = pd.DataFrame({"a": ["x", "y"], "b": ["u", "v"], "c": [None, None]})
    with pytest.warns(UserWarning, match="'c' holds no value at all"):
        tokenizer = ClinicalTokenizer().fit(frame)
    later = pd.DataFrame({"a": ["x", "new"], "b": ["other", "v"], "c": [1.0, None]})
    with pytest.warns(UserWarning, match="fit did not see") as caught:
        values = tokenizer.transform(later)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert "'a': 'new'; 'b': 'other'; 'c': no value" in str(caught[0].message)
    np.testing.assert_array_equal(np.isnan(values), [[0, 1, 1], [1, 0, 1]])


def test_many_unseen_categories_are_listed_up_to_ten():
    tokenizer = ClinicalTokenizer().fit(column(["x", "y"]))
    with pytest.warns(UserWarning, match=r"\(30 in all\)"):
        tokenizer.transform(column([f"new {i}" for i in range(30)]))


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


LONG = 10**17


@pytest.mark.parametrize(
    "frame",
    [
        column([LONG, LONG + 1, LONG]),
        column([LONG, LONG + 1, LONG], dtype="Int64"),
        column([LONG, LONG + 1, LONG], dtype=object),
        column([str(LONG), str(LONG + 1), str(LONG)]),
        column([LONG, LONG + 1, LONG], dtype="category"),
        pl.DataFrame({"a": [LONG, LONG + 1, LONG]}),
        pl.DataFrame({"a": pl.Series([LONG, LONG + 1, LONG], dtype=pl.UInt64)}),
        column([-LONG, -LONG - 1, -LONG]),
    ],
    ids=range(8),
)
def test_long_codes_stay_apart(frame):
    tokenizer = ClinicalTokenizer(categorical_features=["a"]).fit(frame)
    assert tokenizer.transform(frame)[:, 0].tolist() == [0, 1, 0]
    assert tokenizer.n_categories_.tolist() == [2]


def test_long_codes_of_an_array_stay_apart():
    values = np.array([[LONG], [LONG + 1], [LONG]])
    tokenizer = ClinicalTokenizer(categorical_features=[0]).fit(values)
    assert tokenizer.transform(values)[:, 0].tolist() == [0, 1, 0]


def test_long_integers_that_nobody_calls_codes_are_refused():
    for frame in (column([LONG, LONG + 1, 3]), pl.DataFrame({"a": [LONG, LONG + 1, 3]})):
        with pytest.raises(
            ValueError, match=r"'a' holds integers beyond 2\*\*53, .* rows 0, 1: id"
        ):
            ClinicalTokenizer().fit(frame)


def test_long_codes_that_were_merged_before_are_refused():
    frame = column([LONG, LONG + 1, None], dtype=float)
    with pytest.raises(ValueError, match=r"codes beyond 2\*\*53 as decimals in rows 0, 1"):
        ClinicalTokenizer(categorical_features=["a"]).fit(frame)
    tokenizer = ClinicalTokenizer(categorical_features=["a"]).fit(column([LONG, LONG + 1]))
    with pytest.raises(ValueError, match=r"codes beyond 2\*\*53 as decimals in rows 0, 1"):
        tokenizer.transform(frame)


# Text that must not be taken for a category, and text that may well be one.
MEASURED = [
    *[
        "5,1",
        "<0.5",
        "> 100",
        "1.2e3",
        "-3",
        "\u22123",
        "41%",
        "5 mg",
        "5mg",
        "2.5 mg/kg",
        "140 mmol/l",
    ],
    *[
        "38.5 °C",
        "120/80",
        "5.2 H",
        "1,234.5",
        "3'000",
        "12 h",
        "3 days",
        "~5",
        "≥ 5",
        "70 y",
        "5 g/dL",
    ],
]
DATED = [
    *["2024-03-01", "01.03.2024", "3/1/24", "2024-03-01 10:35", "2024-03-01T10:35:00Z"],
    *["3 Mar 2024", "Mar 2024", "11-Apr-24", "10:35", "10:35:07", "7:05 pm"],
]
NAMED = [
    *[
        "f",
        "3T",
        "1.5T",
        "2b",
        "1d",
        "T1",
        "41-65",
        "0/1",
        "A+",
        "3+",
        "left",
        "may",
        "none",
    ],
    *["grade 2", "2nd", "5 beds", "marker 3", "#3", "G1/G2", "12 or more"],
]


@pytest.mark.parametrize("text", MEASURED)
def test_measurements_as_text_are_refused(text):
    with pytest.raises(ValueError, match="'a' holds numbers as text"):
        ClinicalTokenizer().fit(column([text, text, "x"]))


@pytest.mark.parametrize("text", DATED)
def test_dates_as_text_are_refused(text):
    with pytest.raises(ValueError, match="'a' holds dates or times as text"):
        ClinicalTokenizer().fit(column([text, text, "x"]))


@pytest.mark.parametrize("text", NAMED)
def test_names_with_digits_are_categories(text):
    assert codes([text, text, "x"]) in ([0, 0, 1], [1, 1, 0])


def test_what_the_user_calls_a_category_is_one():
    ages = [str(i) for i in range(30)]
    tokenizer = ClinicalTokenizer(categorical_features=[0]).fit(column(ages))
    assert tokenizer.n_categories_.tolist() == [30]
    assert len(set(codes(ages, dtype="category"))) == 30


def test_intervals_of_cut_are_categories():
    groups = pd.cut(pd.Series([10, 50, 90]), [0, 20, 60, 100])
    assert codes(groups) == [0, 1, 2]


def test_a_table_read_before_gives_the_same():
    frame = pd.DataFrame({"a": [1.0, 2, None], "b": ["x", "y", "x"]})
    tokenizer = ClinicalTokenizer().fit(read_table(frame))
    np.testing.assert_array_equal(
        tokenizer.transform(read_table(frame)), ClinicalTokenizer().fit_transform(frame)
    )


def test_names_are_learned_and_forgotten_by_the_next_fit():
    tokenizer = ClinicalTokenizer().fit(pd.DataFrame({"a": [1.0], "b": [2.0]}))
    assert tokenizer.feature_names_in_.tolist() == ["a", "b"]
    assert tokenizer.get_feature_names_out().tolist() == ["a", "b"]
    tokenizer.fit([[1.0]])
    assert not hasattr(tokenizer, "feature_names_in_")
    assert tokenizer.get_feature_names_out().tolist() == ["x0"]


def test_reordered_columns_give_the_same():
    frame = pd.DataFrame({"a": [1.0, 2, 3], "b": ["x", "y", "x"]})
    tokenizer = ClinicalTokenizer().fit(frame)
    np.testing.assert_array_equal(
        tokenizer.transform(frame[["b", "a"]]), tokenizer.transform(frame)
    )
    labelled = frame.set_axis([4, 2], axis=1)
    tokenizer.fit(labelled)
    np.testing.assert_array_equal(
        tokenizer.transform(labelled[[2, 4]]), tokenizer.transform(labelled)
    )


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_output_can_be_a_frame(container):
    frame = pd.DataFrame({"a": [1.0, 2, 3], "b": ["x", "y", "x"]}, index=[7, 8, 9])
    expected = ClinicalTokenizer().fit_transform(frame)
    given = ClinicalTokenizer().set_output(transform=container).fit_transform(frame)
    assert type(given).__module__.startswith(container)
    assert list(given.columns) == ["a", "b"]
    np.testing.assert_array_equal(given.to_numpy(), expected)
    with sklearn.config_context(transform_output=container):
        again = ClinicalTokenizer().fit_transform(read_table(frame))
    np.testing.assert_array_equal(np.asarray(again), expected)
    if container == "pandas":
        assert given.index.tolist() == [7, 8, 9]


def test_pickle_and_clone():
    frame = pd.DataFrame({"a": [1.0, 2, 3], "b": ["x", "y", "x"]})
    tokenizer = ClinicalTokenizer(categorical_features=["b"]).fit(frame)
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(tokenizer)).transform(frame), tokenizer.transform(frame)
    )
    assert clone(tokenizer).categorical_features == ["b"]


def test_it_is_a_step_of_a_pipeline():
    frame = pd.DataFrame({"a": [1.0, 2, 3], "b": ["x", "y", "x"]})
    steps = make_pipeline(ClinicalTokenizer(), FunctionTransformer(np.nan_to_num))
    assert steps.fit_transform(frame).shape == (3, 2)


def test_a_cohort_is_read_in_a_moment():
    rng = np.random.default_rng(0)
    n = 2000
    frame = pd.DataFrame({f"n{i}": rng.normal(size=n) for i in range(10)})
    for i in range(6):
        frame[f"t{i}"] = rng.choice(["a", "b", "c", None], n)
    for i in range(4):
        frame[f"b{i}"] = rng.choice([True, False, None], n)
    took = []
    for _ in range(5):
        start = time.process_time()  # not by the clock: others may use the processor meanwhile
        ClinicalTokenizer().fit(frame).transform(frame)
        took.append(time.process_time() - start)
    # 25 ms; a pass over rows instead of columns takes seconds.
    assert min(took) < 0.25
