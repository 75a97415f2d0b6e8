from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.metrics import log_loss

from skedema._training.multilabel import (
    MultiLabel,
    check_values,
    is_multilabel,
    multilabel_target,
    read_multilabel,
    values_of,
)
from skedema._training.target import Target
from skedema.frames import read_table

TABLE = read_table(pd.DataFrame({"a": range(4)}, index=list("wxyz")))
KNOWN = [[0, 1], [1, 1], [0, 0], [1, 0]]


def loss(outputs, labels, class_weight=None, weight=None):
    labels = np.asarray(labels, dtype=float)
    weight = np.ones(len(labels)) if weight is None else np.asarray(weight, dtype=float)
    target = multilabel_target(labels, weight, class_weight)
    tensors = (torch.as_tensor(each, dtype=torch.float64) for each in (outputs, labels, weight))
    return target.kind.loss()(*tensors)


@pytest.mark.parametrize(
    "y",
    [
        KNOWN,
        np.array(KNOWN, dtype=float),
        np.array(KNOWN, dtype=bool),
        pd.DataFrame(KNOWN, index=list("wxyz")),
        pd.DataFrame(KNOWN, index=list("wxyz")).astype("Int64"),
        pl.DataFrame(KNOWN, orient="row"),
    ],
    ids=["lists", "floats", "booleans", "pandas", "nullable", "polars"],
)
def test_labels_of_every_container_are_read(y):
    labels, _ = read_multilabel(y, TABLE)
    np.testing.assert_array_equal(labels, KNOWN)


@pytest.mark.parametrize("gap", [np.nan, None, pd.NA])
def test_what_nobody_knows_is_nan(gap):
    y = pd.DataFrame({"edema": [0, gap, 1, 1], "shift": [gap, 1, 0, 1]}, index=list("wxyz"))
    labels, names = read_multilabel(y, TABLE)
    assert names == ["edema", "shift"]
    np.testing.assert_array_equal(labels, [[0, np.nan], [np.nan, 1], [1, 0], [1, 1]])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([[0, 1], [2, 1], [0, 0], [1, 0]], r"column 0 holds 2 in row 1 \(index 'x'\)"),
        ([[0, "a"], [1, 1], [0, 0], [1, 0]], "column 0 holds '0', '1' in rows 0, 1, 2, 3"),
        ([[0, 1], [1, 1], [0, 0]], "inconsistent numbers of samples: 4 and 3"),
        ([[0, 1], [np.nan, np.nan], [0, 0], [1, 0]], r"no label at all in row 1 \(index 'x'\)"),
        (pd.DataFrame(KNOWN, index=list("wxyz"), columns=["b", "b"]), "the same name: 'b', 'b'"),
        (pd.DataFrame({"a": range(2)}, index=list("yz")), None),
    ],
)
def test_what_cannot_be_used_is_refused(y, message):
    if message is None:
        assert not is_multilabel(y)
        return
    with pytest.raises(ValueError, match=message):
        read_multilabel(y, TABLE)


def test_a_label_that_is_known_of_nobody_is_refused():
    labels, names = read_multilabel([[0, np.nan], [1, np.nan], [0, np.nan], [1, np.nan]], TABLE)
    with pytest.raises(ValueError, match="no value at all in column 1"):
        check_values(labels, names)


def test_rows_of_another_length_are_refused():
    with pytest.raises(ValueError, match=r"rows of y differ in length: \[1, 2\]"):
        read_multilabel([[0, 1], [1], [0, 0], [1, 0]], TABLE)


def test_following_the_remedies_works():
    y = pd.DataFrame([[0, 1], [np.nan, np.nan], [0, 0], [1, 0]], index=list("wxyz"))
    keep = y.notna().any(axis=1)
    frame = pd.DataFrame({"a": range(4)}, index=list("wxyz"))
    assert len(read_multilabel(y[keep], read_table(frame[keep]))[0]) == 3


def test_a_label_that_was_left_in_the_table_is_refused():
    y = pd.DataFrame({"edema": [0, 1, 0, 1], "shift": [1, np.nan, 0, 0]})
    table = read_table(pd.DataFrame({"age": range(4), "shift": y["shift"]}))
    with pytest.raises(ValueError, match=r"Column 'shift' of X is a column of y itself.*drop\("):
        read_multilabel(y, table)


def test_values_are_those_of_y():
    assert [each.dtype for each in values_of(np.array(KNOWN, dtype=bool))] == [bool, bool]
    assert [each.tolist() for each in values_of(np.array(KNOWN, dtype=float))] == [[0, 1], [0, 1]]


def test_the_loss_is_the_mean_log_loss_of_labels():
    outputs = np.random.default_rng(0).normal(size=(4, 2))
    labels = np.array(KNOWN).T
    probability = 1 / (1 + np.exp(-outputs.T))
    of_each = [log_loss(*each) for each in zip(labels, probability, strict=True)]
    assert float(loss(outputs, KNOWN)) == pytest.approx(np.mean(of_each))


def test_what_is_not_known_has_no_gradient_and_no_part():
    outputs = torch.zeros(2, 2, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([[1.0, torch.nan], [0.0, 1.0]], dtype=torch.float64)
    MultiLabel(2).loss()(outputs, labels, torch.ones(2, dtype=torch.float64)).backward()
    assert outputs.grad is not None
    assert outputs.grad.tolist() == [[-0.125, 0.0], [0.125, -0.125]]


def test_class_weights_are_those_of_each_label():
    outputs = np.random.default_rng(1).normal(size=(4, 2))
    twice = loss(outputs, KNOWN, [{0: 1, 1: 2}, {0: 2, 1: 2}])
    one, both = loss(outputs, KNOWN, [{0: 1, 1: 1}] * 2), loss(outputs, KNOWN, {0: 2, 1: 2})
    assert float(both) == pytest.approx(2 * float(one))
    assert float(one) < float(twice) < float(both)


def test_balanced_gives_both_values_of_a_label_the_same_weight():
    labels = np.array([[0, 0], [0, 1], [0, np.nan], [1, 1]], dtype=float)
    weight = np.array([1.0, 2.0, 1.0, 3.0])
    kind = multilabel_target(labels, weight, "balanced").kind
    for (of_zero, of_one), label in zip(kind.factors, labels.T, strict=True):
        assert of_zero * weight[label == 0].sum() == pytest.approx(
            of_one * weight[label == 1].sum()
        )


def test_a_list_of_class_weights_has_one_for_each_label():
    with pytest.raises(ValueError, match="class_weight must be a list of 2 dicts"):
        multilabel_target(np.array(KNOWN, dtype=float), np.ones(4), [{0: 1, 1: 1}])


def test_rare_patterns_are_one_stratum():
    labels = np.array([[0, 0]] * 20 + [[1, 0]] * 15 + [[1, 1]] * 2 + [[np.nan, 1]] * 3, dtype=float)
    strata = multilabel_target(labels, np.ones(40), None).strata
    assert [len(set(strata[rows])) for rows in (slice(20), slice(20, 35), slice(35, 40))] == [1] * 3
    assert len(set(strata)) == 3


def test_sizes_count_both_values_of_each_label():
    target = multilabel_target(np.array([[0, 1], [0, np.nan], [1, 1]]), np.ones(3), None)
    assert isinstance(target, Target)
    assert target.sizes.tolist() == [2, 1, 0, 2]
