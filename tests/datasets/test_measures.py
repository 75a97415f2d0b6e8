from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from skedema.datasets._measures import Gaps, Measure, log_normal_mass
from skedema.datasets._variables import MEASURES

SCORE = Measure("score", "linear", 12, -3, 1, 3, 15)
SUGAR = Measure("sugar", "log", 7, 0.3, 0.1, 2.5, 30)


def test_values_are_rounded_and_clipped_as_a_chart_shows_them():
    z = np.array([-9.0, 0.0, 0.5, 9.0])
    np.testing.assert_array_equal(SCORE.report(z), [15, 12, 10, 3])
    np.testing.assert_array_equal(SUGAR.report(z), [2.5, 7, 8.1, 30])


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
def test_a_value_is_reported_exactly_where_its_interval_lies(measure):
    z = np.random.default_rng(0).standard_normal(2000) * 2
    reported = measure.report(z)
    low, high = measure.interval(reported)
    assert (low <= z).all()
    assert (z <= high).all()
    inside = np.random.default_rng(1).uniform(np.maximum(low, -8), np.minimum(high, 8))
    np.testing.assert_array_equal(measure.report(inside), reported)


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
def test_the_intervals_of_all_values_cover_the_latent_scale_once(measure):
    values = np.round(np.arange(measure.low, measure.high + measure.step / 2, measure.step), 3)
    low, high = measure.interval(values)
    order = np.argsort(low)
    assert low[order][0] == -np.inf
    assert high[order][-1] == np.inf
    np.testing.assert_allclose(low[order][1:], high[order][:-1], atol=1e-9)


def test_the_shared_part_and_the_noise_add_up_to_unit_variance():
    rng = np.random.default_rng(0)
    measure = SCORE._replace(loading=0.6, link=(0, 0.5, 0, 0), effect=(0, 1.5, 0, 0))
    f, r, e = rng.standard_normal((3, 50_000))
    z = measure.mean(1, 1, r, f) + measure.noise(1) * e
    assert z.mean() == pytest.approx(0.75, abs=0.02)
    assert z.std() == pytest.approx(1, abs=0.02)
    assert np.corrcoef(z, f)[0, 1] == pytest.approx(0.6, abs=0.02)
    assert np.corrcoef(z, r)[0, 1] == pytest.approx(0.5, abs=0.02)


def test_the_mass_of_an_interval_is_right_in_the_middle_and_in_both_tails():
    low = np.array([-1.0, -np.inf, 0.5, 9.0, -9.5])
    high = np.array([2.0, 0.3, np.inf, 9.5, -9.0])
    tail = norm.sf(9.0) - norm.sf(9.5)
    expected = [norm.cdf(2) - norm.cdf(-1), norm.cdf(0.3), norm.sf(0.5), tail, tail]
    np.testing.assert_allclose(np.exp(log_normal_mass(low, high)), expected, rtol=1e-9)
    assert np.isfinite(log_normal_mass(np.array([30.0]), np.array([30.01]))).all()


def test_absence_is_the_rate_to_a_power_of_site_factor_and_label():
    gaps = Gaps(power=2, on_factor=0.5, on_label=-1, never=(0.0, 0.1, 0.0, 1.0))
    power = 2 * 1.5 * np.exp(0.5 * 0.8 - 1 * 0.5)
    args = (np.array([1.5]), np.array([0, 1, 3]), np.array([1, 1, 1]), np.array([0.8]))
    lost = 1 - 0.85**power
    np.testing.assert_allclose(gaps.absence(0.15, *args), [lost, 0.1 + 0.9 * lost, 1], rtol=1e-12)
    np.testing.assert_allclose(gaps.absence(0.0, *args), [0, 0.1, 1], atol=0)
