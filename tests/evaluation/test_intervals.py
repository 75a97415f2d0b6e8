"""Intervals cover what they say, also of few patients, of several rows each, and of repeats."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from skedema.evaluation.intervals import auc_interval, proportion_interval
from skedema.evaluation.metrics import METRICS, proportion_of
from skedema.evaluation.metrics._registry import find_metrics


def rows(n_right, n):
    return np.arange(n) < n_right


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_proportion_has_the_interval_of_scipy(confidence):
    for n in (1, 5, 20, 80):
        for right in {0, 1, n // 2, n - 1, n}:
            wanted = stats.binomtest(right, n).proportion_ci(confidence, method="wilson")
            found = proportion_interval(rows(right, n), confidence=confidence)
            np.testing.assert_allclose(found, [wanted.low, wanted.high], atol=1e-12)
    assert np.isnan(proportion_interval([])).all()


@pytest.mark.parametrize("n", [5, 20, 80])
def test_proportion_is_covered_as_often_as_said(n):
    """Exactly, by the chance of each number that may be right."""
    bounds = np.array([proportion_interval(rows(right, n)) for right in range(n + 1)])

    def coverage(p):
        held = (bounds[:, 0] <= p) & (p <= bounds[:, 1])
        return stats.binom(n, p).pmf(np.arange(n + 1)) @ held

    assert min(map(coverage, (0.5, 0.9, 0.98))) > 0.9
    assert np.mean([coverage(p) for p in np.linspace(0.005, 0.995, 199)]) > 0.945


def patients_of(rng, n_patients, alike, p):
    """Rows of patients, up to five each, which are as their patient is with probability `alike`."""
    groups = np.repeat(np.arange(n_patients), rng.integers(1, 6, n_patients))
    of_patient = rng.random(n_patients) < p
    own = rng.random(len(groups)) < p
    return np.where(rng.random(len(groups)) < alike, of_patient[groups], own), groups


@pytest.mark.parametrize("alike", [0, 0.7, 1])
@pytest.mark.parametrize("p", [0.5, 0.9])
def test_rows_of_one_patient_are_not_taken_for_many(alike, p):
    rng = np.random.default_rng(0)
    held, naive = [], []
    for _ in range(600):
        right, groups = patients_of(rng, 15, alike, p)
        for found, bounds in (
            (held, proportion_interval(right, groups=groups)),
            (naive, proportion_interval(right)),
        ):
            found.append(bounds[0] <= p <= bounds[1])
    assert np.mean(held) > 0.92
    if alike == 1:
        assert np.mean(naive) < 0.85


def test_copies_of_rows_change_nothing():
    right = rows(13, 17)
    twice, groups = np.tile(right, 2), np.tile(np.arange(17), 2)
    np.testing.assert_allclose(
        proportion_interval(twice, groups=groups), proportion_interval(right), rtol=1e-12
    )
    label, scores = rows(8, 20), np.random.default_rng(0).normal(size=20)
    wanted = auc_interval(label, scores)
    groups = np.tile(np.arange(20), 2)
    found = auc_interval(np.tile(label, 2), np.tile(scores, 2), groups=groups)
    np.testing.assert_allclose(found, wanted, rtol=1e-9)
    np.testing.assert_allclose(auc_interval(label, [scores] * 3), wanted, rtol=1e-9)


def test_patients_at_the_bounds_count_once():
    groups = np.repeat(np.arange(6), 4)
    found = proportion_interval(np.ones(24, bool), groups=groups)
    assert found == proportion_interval(np.ones(6, bool))
    label = groups < 3
    assert auc_interval(label, label * 1.0, groups=groups) == auc_interval(
        [1] * 3 + [0] * 3, label[::4]
    )


def test_auc_bounds_are_z_standard_errors_away():
    """The variance of Hanley and McNeil at the bound, with the sizes of Newcombe's method 5."""
    label = rows(7, 30)
    scores = np.random.default_rng(1).normal(size=30) + label
    auc = stats.mannwhitneyu(scores[label], scores[~label]).statistic / (7 * 23)
    for bound in auc_interval(label, scores):
        n = 30 / 2 - 1
        q1, q2 = bound / (2 - bound), 2 * bound**2 / (1 + bound)
        variance = bound * (1 - bound) + n * (q1 - bound**2) + n * (q2 - bound**2)
        assert abs(auc - bound) == pytest.approx(1.959964 * np.sqrt(variance / (7 * 23)))


@pytest.mark.parametrize(("m", "n"), [(5, 15), (20, 20)])
@pytest.mark.parametrize("auc", [0.75, 0.98])
def test_auc_is_covered_as_often_as_said(m, n, auc):
    rng = np.random.default_rng(0)
    label = np.r_[np.ones(m, bool), np.zeros(n, bool)]
    apart = stats.norm.ppf(auc) * np.sqrt(2)
    bounds = [auc_interval(label, rng.normal(size=m + n) + apart * label) for _ in range(400)]
    assert 0.93 < np.mean([low <= auc <= high for low, high in bounds]) <= 1


def test_auc_of_all_pairs_in_order_or_none():
    low, high = auc_interval([0, 0, 0, 1, 1], [1, 2, 3, 4, 5])
    assert 0.3 < low < 0.7
    assert high == 1
    below = auc_interval([1, 1, 1, 0, 0], [1, 2, 3, 4, 5])
    np.testing.assert_allclose(below, [0, 1 - low], rtol=1e-9)
    assert np.isnan(auc_interval([1, 1], [1, 2])).all()


def test_mean_of_classes_is_covered_as_often_as_said():
    """Of 4 positives and 12 negatives: recalls of 0.9 and 0.8, and their mean of 0.85."""
    (metric,) = find_metrics(["balanced_accuracy"])
    rng, label, row = np.random.default_rng(0), rows(4, 16), np.arange(16)
    held = []
    for _ in range(500):
        predicted = rng.random(16) < np.where(label, 0.9, 0.2)
        value = (predicted[label].mean() + (~predicted[~label]).mean()) / 2
        low, high = metric.interval(value, [(label, row / 16, predicted, row, row)], 0.95)
        held.append(low <= 0.85 <= high)
    assert np.mean(held) > 0.9


@pytest.mark.parametrize("name", [m.name for m in find_metrics(METRICS) if m.interval])
def test_every_interval_holds_its_figure_and_narrows_with_more_patients(name):
    (metric,) = find_metrics([name])
    widths = []
    for n in (12, 120):
        label, row = np.arange(n) % 3 == 0, np.arange(n)
        probability = np.where(np.arange(n) % 4 == 0, 0.3, 0.6)
        predicted = probability > 0.5
        value = metric.compute(
            label, probability, predicted, np.ones(n), **dict.fromkeys(metric.settings, 0.5)
        )
        found = metric.interval(value, [(label, probability, predicted, row, row)] * 2, 0.95)
        if found is None:  # left to the bootstrap
            assert 0 < value < 1
            return
        low, high = found
        assert 0 <= low <= value <= high <= 1
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


def _of_negatives(label, probability, predicted):
    return predicted, ~label


def test_a_proportion_of_ones_own_has_wilsons():
    label, predicted, row = rows(0, 10), rows(3, 10), np.arange(10)
    interval = proportion_of(_of_negatives)
    found = interval(0.3, [(label, row / 10, predicted, row, row)], 0.95)
    assert found == proportion_interval(predicted)
