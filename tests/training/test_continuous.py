from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.metrics import mean_pinball_loss

from skedema._strata import strata_of
from skedema._training.continuous import (
    Numbers,
    center_and_scale,
    number_target,
    numbers_of,
    read_numbers,
)
from skedema.frames import read_table

pytestmark = pytest.mark.numerical

RNG = np.random.default_rng(0)
Y = RNG.exponential(10, 61)
ONES = np.ones(61)


def test_scales_are_those_of_mean_and_median():
    assert_allclose(center_and_scale(Y, ONES, robust=False), (Y.mean(), Y.std()))
    center, scale = center_and_scale(Y, ONES, robust=True)
    assert center == np.median(Y)
    assert scale == pytest.approx(1.4826 * np.median(np.abs(Y - center)))


@pytest.mark.parametrize("robust", [False, True])
def test_a_patient_of_weight_two_is_two_patients(robust):
    weight = RNG.integers(1, 4, 61).astype(float)
    twice = center_and_scale(
        np.repeat(Y, weight.astype(int)), np.ones(int(weight.sum())), robust=robust
    )
    assert_allclose(center_and_scale(Y, weight / weight.mean(), robust=robust), twice, rtol=1e-12)


def test_where_most_are_equal_there_is_a_scale_all_the_same():
    mostly_none = np.r_[np.zeros(40), Y[:21]]
    center, scale = center_and_scale(mostly_none, ONES, robust=True)
    assert (center, scale) == (0, pytest.approx(mostly_none.mean()))
    assert center_and_scale(np.full(5, 3.0), np.ones(5), robust=False) == (3, 1)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Numbers("squared_error"), lambda e: e**2),
        (Numbers("absolute_error"), np.abs),
        (Numbers("huber", 0.7), lambda e: np.where(abs(e) < 0.7, e**2 / 2, 0.7 * (abs(e) - 0.35))),
    ],
)
def test_losses_are_what_they_are_called(kind, expected):
    outputs, target = RNG.normal(size=(61, 1)), RNG.normal(size=61)
    weight = RNG.uniform(0.5, 2, 61)
    loss = kind.loss()(*map(torch.tensor, (outputs, target, weight)))
    assert_allclose(loss, np.mean(weight * expected(outputs[:, 0] - target)), rtol=1e-12)


def test_the_loss_of_quantiles_is_that_of_scikit_learn():
    kind = Numbers("quantile", quantiles=(0.1, 0.5, 0.9))
    outputs, target = RNG.normal(size=(61, 3)), RNG.normal(size=61)
    loss = kind.loss()(*map(torch.tensor, (outputs, target, ONES)))
    each = [mean_pinball_loss(target, outputs[:, k], alpha=q) for k, q in enumerate(kind.quantiles)]
    assert_allclose(loss, np.mean(each), rtol=1e-12)


def test_members_are_averaged_after_their_quantiles_were_sorted():
    kind = Numbers("quantile", quantiles=(0.1, 0.5, 0.9))
    outputs = torch.tensor([[[3.0, 1.0, 2.0], [0.0, 0.0, 9.0]]])
    found = kind.predictions(outputs).numpy()
    assert found.tolist() == [[0.5, 1.0, 6.0]]
    assert kind.answer(found).tolist() == [1.0]


def test_a_kind_is_what_decides():
    assert numbers_of("squared_error", 1.0, "nonsense") == numbers_of("squared_error", 2.0, None)
    assert numbers_of("huber", 1.0, None) != numbers_of("huber", 2.0, None)
    assert numbers_of("quantile", 1.0, np.array([0.25, 0.5])).quantiles == (0.25, 0.5)
    assert numbers_of("quantile", 1.0, 0.5).n_outputs == 1


def test_strata_are_tenths_in_order():
    codes = strata_of(Y)
    assert np.bincount(codes).tolist() == [11, 10, 10, 10, 10, 10]
    assert (np.diff(codes[np.argsort(Y)]) >= 0).all()
    assert strata_of(np.arange(200)).max() == 9
    assert strata_of([3.0, 1.0]).tolist() == [0, 0]
    target = number_target(Numbers("squared_error"), Y, ONES)
    assert target.sizes.tolist() == [61]
    assert target.strata.tolist() == codes.tolist()


def test_numbers_of_every_container_are_read():
    table = read_table(pd.DataFrame({"a": range(3)}))
    for y in ([1, 2, 3], (1.0, 2, 3), pd.Series([1, 2, 3], dtype="Int64"), np.array([1, 2, 3])):
        found = read_numbers(y, table)
        assert (found.dtype, found.tolist()) == (np.float64, [1, 2, 3])
    with pytest.raises(ValueError, match="Complex data not supported"):
        read_numbers(np.array([1j, 2, 3]), table)
    with pytest.raises(ValueError, match=r"text: pd.to_numeric\(y\)"):
        read_numbers(["1", "2", "3.5"], table)
