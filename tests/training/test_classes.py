from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight

from skedema._training.classes import (
    Classes,
    class_codes,
    class_target,
    class_weights,
    read_classes,
    read_labels,
)
from skedema.frames import read_table
from skedema.frames.weights import read_weights

TABLE = read_table(pd.DataFrame({"a": range(4)}))
LABELLED = read_table(pd.DataFrame({"a": range(4)}, index=list("wxyz")))


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        ([0, 1, 1, 0], [0, 1, 1, 0]),
        ([0.0, 1.0, 1.0, 0.0], [0, 1, 1, 0]),
        ((True, False, True, False), [True, False, True, False]),
        (["a", "b", "b", "a"], ["a", "b", "b", "a"]),
        (pd.Series(["a", "b", "b", "a"], dtype="category"), ["a", "b", "b", "a"]),
        (pd.Series([1, 2, 2, 1], dtype="Int64"), [1, 2, 2, 1]),
        (pd.Series([True, False, True, False], dtype="boolean"), [True, False, True, False]),
        (pl.Series(["a", "b", "b", "a"]), ["a", "b", "b", "a"]),
        (np.array(["a", "b", "b", "a"], dtype=object), ["a", "b", "b", "a"]),
        (np.array([1, 2, 2, 1], dtype=object), [1, 2, 2, 1]),
    ],
)
def test_labels_of_every_container_are_read(y, expected):
    assert read_labels(y, TABLE).tolist() == expected


def test_a_missing_label_is_not_turned_to_text():
    for y in (["a", np.nan, "b", "a"], ["a", None, "b", "a"], ("a", pd.NA, "b", "a")):
        with pytest.raises(ValueError, match="no label\\) in row 1"):
            read_labels(y, TABLE)


def test_labels_keep_their_rows_and_their_index():
    good = pd.Series([0, 1, 1, 0], index=list("wxyz"))
    assert read_labels(good, LABELLED).tolist() == [0, 1, 1, 0]
    assert read_labels(good.to_numpy(), LABELLED).tolist() == [0, 1, 1, 0]
    assert read_labels(good, read_table(np.ones((4, 1)))).tolist() == [0, 1, 1, 0]
    with pytest.raises(ValueError, match="another order; the first difference is row 0: index 'w'"):
        read_labels(good[::-1], LABELLED)
    with pytest.raises(ValueError, match="first difference is row 3: index 'z' of X, 'q' of y"):
        read_labels(good.rename({"z": "q"}), LABELLED)


def test_row_labels_of_several_levels_and_with_gaps_are_compared():
    index = pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1), ("b", None)])
    table = read_table(pd.DataFrame({"a": range(4)}, index=index))
    y = pd.Series([0, 1, 1, 0], index=index)
    assert read_labels(y, table).tolist() == [0, 1, 1, 0]
    with pytest.raises(ValueError, match="another order"):
        read_labels(y[::-1], table)


def test_codes_are_positions_in_the_classes():
    codes = class_codes(np.array(["b", "a", "c", "b"]), np.array(["a", "b", "c"]), TABLE)
    assert codes.tolist() == [1, 0, 2, 1]
    with pytest.raises(ValueError, match="none of the classes \\['a', 'b'\\], in row 2: 'c'"):
        class_codes(np.array(["b", "a", "c", "b"]), np.array(["a", "b"]), TABLE)


def test_classes_are_sorted_and_none_is_missing():
    assert read_classes([2, 0, 2, 1]).tolist() == [0, 1, 2]
    assert read_classes(pd.Series(["b", "a"])).tolist() == ["a", "b"]
    assert read_classes(np.array(["b", "a"], dtype=object)).tolist() == ["a", "b"]
    for classes in ([0, 1, np.nan], ["a", None]):
        with pytest.raises(ValueError, match="classes holds a missing value"):
            read_classes(classes)


def test_balanced_weights_are_those_of_scikit_learn():
    codes, classes = np.array([0, 0, 0, 1, 2, 2]), np.array(["a", "b", "c"])
    ours = class_weights("balanced", codes, classes, np.ones(6))
    theirs = compute_class_weight("balanced", classes=classes, y=classes[codes])
    np.testing.assert_allclose(ours, theirs[codes])
    weight = np.array([1, 2, 1, 3, 1, 1])
    repeated = class_weights("balanced", np.repeat(codes, weight), classes, np.ones(9))
    np.testing.assert_allclose(
        np.repeat(class_weights("balanced", codes, classes, weight), weight), repeated
    )


def test_class_weights_come_from_a_dict():
    weights = class_weights({"a": 1, "b": 5}, np.array([0, 1, 1]), np.array(["a", "b"]), np.ones(3))
    assert weights.tolist() == [1, 5, 5]
    assert class_weights(None, np.array([0, 1]), np.array([0, 1]), np.ones(2)).tolist() == [1, 1]
    numpy_keys = {np.int64(0): 2.0, np.int64(1): 1.0}
    assert class_weights(numpy_keys, np.array([0, 1]), np.array([0, 1]), np.ones(2))[0] == 2


@pytest.mark.parametrize("weight", [{"a": 1}, {"a": 1, "b": 1, "c": 1}, {"a": 1, "b": np.inf}])
def test_class_weights_that_do_not_fit_are_errors(weight):
    with pytest.raises(ValueError, match="class_weight must hold"):
        class_weights(weight, np.array([0, 1]), np.array(["a", "b"]), np.ones(2))


@pytest.mark.parametrize(
    "weights",
    [
        [1, 0, 2, 3],
        np.array([1, 0, 2, 3], dtype=np.float32),
        pd.Series([1, 0, 2, 3], dtype="Int64"),
        pl.Series([1, 0, 2, 3]),
    ],
)
def test_weights_of_every_container_are_read(weights):
    read = read_weights(weights, TABLE)
    assert read.dtype == np.float64
    assert read.tolist() == [1, 0, 2, 3]


def test_no_weights_are_weights_of_one():
    assert read_weights(None, TABLE).tolist() == [1, 1, 1, 1]


def test_weights_must_be_in_the_order_of_the_patients():
    weights = pd.Series([1, 0, 2, 3], index=list("wxyz"))
    assert read_weights(weights, LABELLED).tolist() == [1, 0, 2, 3]
    with pytest.raises(ValueError, match="X and sample_weight hold the same row labels in another"):
        read_weights(weights[::-1], LABELLED)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, -1, 1, 1], "Negative .* in row 1"),
        ([1, np.nan, 1, np.inf], "contains NaN, inf or text in rows 1, 3"),
        (pd.Series([1, None, 1, 1], dtype="Int64"), "contains NaN, inf or text in row 1"),
        ([1, "x", 1, 1], "text in row 1"),
        ([0, 0, 0, 0], "not zero"),
        ([1, 1, 1], "3 weights for 4 patients"),
        ([[1, 1], [1, 1]], "[Ss]ample.weight"),
        ([1e308] * 4, "no finite sum"),
    ],
)
def test_weights_that_cannot_be_used_are_errors(weights, message):
    with pytest.raises(ValueError, match=message):
        read_weights(weights, TABLE)


def test_a_target_of_classes_holds_codes_which_are_its_strata():
    labels, weight = np.array(["b", "a", "b", "b"]), np.array([1.0, 2.0, 1.0, 1.0])
    target = class_target(
        labels, weight, TABLE, np.array(["a", "b", "c"]), {"a": 3, "b": 1, "c": 1}
    )
    assert target.kind == Classes(3)
    assert target.values.tolist() == target.strata.tolist() == [1, 0, 1, 1]
    assert target.weight.tolist() == [1, 6, 1, 1]
    assert target.sizes.tolist() == [1, 3, 0]  # one was announced, and nobody has it
    assert target.take(np.array([1])).sizes.tolist() == [1, 0, 0]


def test_what_is_said_of_classes_is_probabilities_of_which_the_largest_answers():
    kind, logits = Classes(3), torch.tensor([[0.0, 1.0, 2.0], [3.0, 0.0, 0.0]])
    proba = kind.predictions(logits)
    torch.testing.assert_close(proba, logits.softmax(dim=-1))
    assert kind.answer(proba.numpy()).tolist() == [2, 0]
    assert kind.classes.tolist() == [0, 1, 2]
