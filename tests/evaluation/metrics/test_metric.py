from __future__ import annotations

import numpy as np
import pytest

from skedema.evaluation._predictions import Predictions
from skedema.evaluation.metrics import METRICS, Metric
from skedema.evaluation.metrics._metric import SETTINGS, measured
from skedema.evaluation.metrics._registry import find_metrics

RNG = np.random.default_rng(0)
WEIGHTS = RNG.multinomial(50, np.full(50, 1 / 50), size=8).astype(float)


def rows(n_classes):
    probability = RNG.dirichlet(np.ones(n_classes), 50)
    label, predicted = RNG.integers(0, n_classes, (2, 50))
    return Predictions(np.arange(50), label, probability, predicted)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("metric", find_metrics(METRICS), ids=METRICS)
def test_many_weightings_at_once_are_one_after_the_other(metric, n_classes):
    predictions = rows(n_classes)
    found = measured(metric, predictions, WEIGHTS, SETTINGS)
    wanted = [measured(metric, predictions, weight, SETTINGS) for weight in WEIGHTS]
    np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-8)  # Newton stops at 1e-9


@pytest.mark.parametrize("metric", find_metrics(METRICS), ids=METRICS)
def test_of_two_classes_it_is_that_of_the_second(metric):
    predictions = rows(2)
    weight = np.ones(50)
    found = measured(metric, predictions, weight, SETTINGS)
    assert found == measured(metric, predictions, weight, SETTINGS, against_rest=1)


def test_it_is_computed_where_it_is_defined_and_nowhere_else():
    seen = []

    def compute(label, probability, predicted, weight):
        seen.append(weight[0])
        return weight[0]

    def defined(label, probability, predicted, weight):
        return weight[0] > 0

    found = measured(Metric("first", compute, defined), rows(2), WEIGHTS, {})
    first = WEIGHTS[:, 0]
    np.testing.assert_array_equal(found, np.where(first > 0, first, np.nan))
    assert seen == first[first > 0].tolist()


@pytest.mark.parametrize("name", [m.name for m in find_metrics(METRICS) if m.macro])
def test_a_mean_is_defined_by_the_rows_alone(name):
    (metric,) = find_metrics(name)
    probability = np.array([[0.8, 0.1, 0.1], [0.5, 0.3, 0.2], [0.1, 0.5, 0.4], [0.4, 0.4, 0.2]])
    label = np.array([0, 0, 1, 1])
    for predicted in ([0, 0, 1, 1], [0, 0, 1, 2], [0, 1, 2, 2]):  # nobody is of class 2
        nobody = Predictions(np.arange(4), label, probability, np.array(predicted))
        assert np.isnan(measured(metric, nobody, np.ones(4), SETTINGS))
    predictions = rows(3)
    weights = np.vstack([np.ones(50), predictions.label != 2])
    found = measured(metric, predictions, weights, SETTINGS)
    assert np.isnan(found).tolist() == [False, True]
    assert found[0] == pytest.approx(measured(metric, predictions, np.ones(50), SETTINGS))


def test_settings_that_there_are_not_are_told_at_once():
    for settings in (("cutoff",), "threshold"):
        with pytest.raises(
            ValueError, match=r"'echo' must .* \('specificity', 'threshold', 'quantiles'\), got"
        ):
            Metric("echo", max, settings=settings)


def test_settings_reach_those_who_ask_for_them():
    def compute(label, probability, predicted, weight, *, threshold):
        return threshold

    metric = Metric("echo", compute, settings=("threshold",))
    assert measured(metric, rows(3), np.ones(50), {"threshold": 0.2, "specificity": 0.9}) == (
        pytest.approx(0.2)
    )
