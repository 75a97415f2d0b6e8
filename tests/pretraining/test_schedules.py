from __future__ import annotations

import numpy as np
import pytest

from skedema._pretraining.schedules import edge_weight, learning_rate


def test_the_learning_rate_rises_to_its_peak_and_falls_to_zero():
    rates = np.array([learning_rate(t, 1000, 0.5, 0.1) for t in range(1000)])
    assert rates.argmax() in (99, 100)
    assert rates.max() == 0.5
    assert (np.diff(rates[:100]) > 0).all()
    assert (np.diff(rates[100:]) < 0).all()
    assert rates[550] == pytest.approx(0.25)
    assert 0 < rates[-1] < 1e-5


@pytest.mark.parametrize("n_steps", [1, 2, 3, 7])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.99])
def test_every_short_run_has_positive_rates(n_steps, warmup):
    rates = [learning_rate(t, n_steps, 0.5, warmup) for t in range(n_steps)]
    assert all(0 < rate <= 0.5 for rate in rates)


def test_a_run_without_a_known_end_keeps_rate_and_weight():
    assert {learning_rate(t, None, 0.5, 0.1) for t in range(100)} == {0.5}
    assert {edge_weight(t, None, 0.01) for t in range(100)} == {0.01}


def test_the_edge_weight_falls_in_equal_steps():
    weights = [edge_weight(epoch, 5, 0.01) for epoch in range(6)]
    assert weights == pytest.approx([0.01, 0.008, 0.006, 0.004, 0.002, 0])
