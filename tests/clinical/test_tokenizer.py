from __future__ import annotations

import pickle
import time

import numpy as np
import pandas as pd
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
