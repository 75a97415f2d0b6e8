from __future__ import annotations

import numpy as np
import pytest
from mapie.calibration import VennAbersCalibrator
from numpy.testing import assert_allclose
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin

from skedema.inspection._interval import Calibration, interval_table, recalibrated, venn_abers

_RNG = np.random.default_rng(0)
SCORES = _RNG.uniform(size=80).round(2)  # with ties
HAS_IT = _RNG.uniform(size=80) < SCORES**2


class Ready(ClassifierMixin, BaseEstimator):
    """Its one feature is the probability."""

    def __init__(self, fitted_=True):
        self.classes_ = np.array([0, 1])
        self.fitted_ = fitted_

    def predict_proba(self, X):
        return np.column_stack([1 - X[:, 0], X[:, 0]])


def test_venn_abers_are_those_of_mapie():
    asked = np.array([0.0, 0.07, 0.31, 0.5, 0.77, 0.98, 1.0])
    theirs = VennAbersCalibrator(Ready(), cv="prefit")
    with np.errstate(invalid="ignore"):  # theirs divides 0 by 0 on the way
        theirs.fit(SCORES[:, None], HAS_IT.astype(int))
        _, expected = theirs.predict_proba(asked[:, None], p0_p1_output=True)
    found = [venn_abers(score, SCORES, HAS_IT) for score in asked]
    assert_allclose(found, expected, atol=1e-12)


def test_weight_of_two_is_a_patient_twice():
    weight = _RNG.integers(1, 4, 80)
    repeated = np.repeat(SCORES, weight), np.repeat(HAS_IT, weight)
    assert_allclose(venn_abers(0.4, SCORES, HAS_IT, weight), venn_abers(0.4, *repeated))
    ours = recalibrated(0.4, SCORES, HAS_IT, weight)
    assert_allclose(ours, recalibrated(0.4, *repeated), rtol=1e-6)


def test_interval_is_narrower_with_more_patients_and_wider_with_members_that_differ():
    low, high = recalibrated(0.4, SCORES, HAS_IT)
    many = recalibrated(0.4, np.tile(SCORES, 9), np.tile(HAS_IT, 9))
    apart = recalibrated(0.4, SCORES, HAS_IT, of_members=[0.2, 0.3, 0.5, 0.6])
    assert low < many[0] < many[1] < high
    assert apart[0] < low < high < apart[1]


def test_interval_exists_where_scores_tell_all_labels_apart_and_where_they_are_0_and_1():
    label = np.repeat([False, True], 20)
    for scores in (np.linspace(0.1, 0.9, 40), label.astype(float)):
        low, high = recalibrated(0.5, scores, label)
        assert 0 <= low < 0.5 < high <= 1


@pytest.mark.slow
def test_interval_holds_the_share_of_patients_with_a_score_in_95_of_100():
    # 1,000 calibrations of a score that is known to be too extreme; sd of the share is 0.007.
    rng = np.random.default_rng(1)
    held = []
    for _ in range(1000):
        truth = rng.normal(0, 1.5, 100)
        score, has_it = expit(1.6 * truth), rng.uniform(size=100) < expit(truth)
        asked = rng.normal(0, 1.5)
        low, high = recalibrated(expit(1.6 * asked), score, has_it)
        held.append(low <= expit(asked) <= high)
    assert 0.93 < np.mean(held) < 0.98


def test_each_class_is_against_all_others_and_one_that_hardly_anyone_has_gets_none():
    proba = _RNG.dirichlet([2, 2, 2], 60)
    codes = np.repeat([0, 1, 2], [30, 25, 5])
    calibration = Calibration(proba, codes, np.ones(60))
    own = proba[:4]
    table = interval_table(own, own.mean(axis=0), np.array(["a", "b", "c"]), calibration)
    assert table.loc["c"].isna().all()
    expected = venn_abers(own[:, 1].mean(), proba[:, 1], codes == 1)
    assert_allclose(table.loc["b", ["p0", "p1"]].astype(float), expected)
    assert (table.loc[["a", "b"], "low"] < table.loc[["a", "b"], "high"]).all()


def test_weights_count_by_how_they_differ_and_not_by_their_size():
    proba, codes = np.column_stack([1 - SCORES, SCORES]), HAS_IT.astype(int)
    weight = _RNG.uniform(0.5, 2, 80)
    own, classes = proba[:4], np.array([0, 1])
    tables = [
        interval_table(own, own.mean(axis=0), classes, Calibration(proba, codes, each))
        for each in (np.ones(80), weight, 1000 * weight)
    ]
    assert_allclose(tables[1], tables[2])
    widths = [(table["high"] - table["low"])[1] for table in tables]
    assert widths[1] != widths[0]
