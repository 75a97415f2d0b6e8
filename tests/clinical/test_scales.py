from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from skedema import ClinicalTokenizer
from skedema.clinical.scales import robust_scale


def scale(values, weight=None) -> tuple[float, float]:
    values = np.asarray(values, dtype=float)
    return robust_scale(values, np.ones(len(values)) if weight is None else np.asarray(weight))


def rarely(values, n_zeros: int = 168) -> np.ndarray:
    return np.concatenate([np.zeros(n_zeros), np.asarray(values, dtype=float)])


def token(known, later) -> np.ndarray:
    tokenizer = ClinicalTokenizer(warn_unusual=False).fit(pd.DataFrame({"a": known}))
    return tokenizer.transform(pd.DataFrame({"a": later}))[:, 0]


@pytest.mark.parametrize("seed", range(3))
def test_where_quartiles_differ_it_is_the_interquartile_range(seed):
    x = np.random.default_rng(seed).standard_t(2, size=101)
    q25, q50, q75 = np.quantile(x, [0.25, 0.5, 0.75], method="inverted_cdf")
    assert scale(x) == (q50, 1 / (q75 - q25))


@pytest.mark.parametrize("n_ones", [1, 2, 20, 49])
def test_the_rare_value_of_two_is_two_widths_away_however_rare(n_ones):
    assert scale([0.0] * (200 - n_ones) + [1.0] * n_ones) == (0, 2)
    assert scale([1.0] * (200 - n_ones) + [0.0] * n_ones) == (1, 2)
    assert scale([7.0] * (200 - n_ones) + [3.0] * n_ones) == (7, 0.5)


def test_where_quartiles_coincide_the_others_scale():
    assert scale([0.0] * 20 + [1.0, 4.0, 6.0]) == (0, 2 / 4)
    assert scale([5.0] * 20 + [1.0, 4.0, 8.0]) == (5, 2 / 3)


@pytest.mark.parametrize("wrong", [1e3, 1e6, -1e6, 1e300])
def test_a_typing_error_does_not_move_it(wrong):
    rare = np.arange(1.0, 31.0)
    right = scale(rarely(rare))
    slipped = rare.copy()
    slipped[11] = wrong
    center, factor = scale(rarely(slipped))
    assert center == right[0]
    assert factor == pytest.approx(right[1], rel=0.1)
    slipped[:11] = wrong
    assert scale(rarely(slipped))[1] > right[1] / 3


def test_rare_values_stay_apart():
    small, usual, large, wrong = token(rarely(np.arange(1.0, 31.0)), [1.0, 15.0, 30.0, 1000.0])
    assert 0.1 < small < usual - 1 < large - 1.5
    assert wrong - large > 0.4


def test_a_constant_has_no_width():
    assert scale([5.0] * 9) == (5, 0)


def test_weights_are_repeated_values():
    rng = np.random.default_rng(0)
    values = np.where(rng.random(60) < 0.8, 3.0, rng.normal(size=60).round(1))
    weight = rng.integers(1, 5, 60)
    assert scale(values, weight.astype(float)) == scale(np.repeat(values, weight))
