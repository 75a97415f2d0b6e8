from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, roc_auc_score

from skedema.evaluation.statistics import (
    corrected_resampled_t,
    delong_covariance,
    delong_test,
    holm,
    patient_weights,
    percentile_interval,
)


def cohort(seed, n=50, k=2):
    rng = np.random.default_rng(seed)
    label = np.r_[1, 1, 0, 0, rng.random(n - 4) < 0.4].astype(bool)
    return label, np.round(rng.normal(size=(k, n)) + label, 1)


def by_pairs(label, scores):
    """DeLong's covariance from the kernel of every pair, as in the paper of 1988."""
    positive, negative = scores[:, label], scores[:, ~label]
    kernel = (positive[:, :, None] > negative[:, None, :]) * 1.0
    kernel += (positive[:, :, None] == negative[:, None, :]) / 2
    auc = kernel.mean(axis=(1, 2))
    s10 = np.atleast_2d(np.cov(kernel.mean(axis=2)))
    s01 = np.atleast_2d(np.cov(kernel.mean(axis=1)))
    return auc, s10 / positive.shape[1] + s01 / negative.shape[1]


@pytest.mark.parametrize("seed", range(5))
def test_fast_delong_is_delong_by_pairs(seed):
    label, scores = cohort(seed, k=3)
    auc, covariance = delong_covariance(label, scores)
    wanted_auc, wanted = by_pairs(label, scores)
    np.testing.assert_allclose(auc, wanted_auc, rtol=1e-12)
    np.testing.assert_allclose(covariance, wanted, rtol=1e-10)
    np.testing.assert_allclose(auc, [roc_auc_score(label, each) for each in scores], rtol=1e-12)


def test_delong_test_is_the_normal_test_of_the_difference():
    label, scores = cohort(0)
    auc, covariance = by_pairs(label, scores)
    error = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    z = (auc[0] - auc[1]) / error
    found = delong_test(label, *scores)
    assert found.difference == pytest.approx(auc[0] - auc[1])
    assert found.statistic == pytest.approx(z)
    assert found.p_value == pytest.approx(2 * stats.norm.sf(abs(z)))
    turned = delong_test(label, scores[1], scores[0])
    assert turned.p_value == pytest.approx(found.p_value)
    assert turned.difference == -found.difference


def test_delong_test_rejects_as_often_as_it_says():
    rng = np.random.default_rng(0)
    label = np.repeat([True, False], 40)
    p = [
        delong_test(label, *(rng.normal(size=80) + rng.normal(size=(2, 80)) + label)).p_value
        for _ in range(400)
    ]
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.09


def test_rows_of_one_patient_count_once():
    label, scores = cohort(1)
    auc, covariance = delong_covariance(label, scores)
    twice = np.tile(np.arange(50), 2)
    same_auc, same = delong_covariance(np.tile(label, 2), np.tile(scores, 2), groups=twice)
    np.testing.assert_allclose(same_auc, auc)
    np.testing.assert_allclose(same, covariance)
    _, too_sure = delong_covariance(np.tile(label, 2), np.tile(scores, 2))
    assert (np.diag(too_sure) < 0.6 * np.diag(covariance)).all()


def test_clustered_variance_is_obuchowskis_by_pairs():
    label, scores = cohort(2, k=1)
    groups = np.random.default_rng(0).integers(0, 15, 50)
    positive, negative = scores[0, label], scores[0, ~label]
    kernel = (positive[:, None] > negative) + (positive[:, None] == negative) / 2
    auc, m, n = kernel.mean(), len(positive), len(negative)
    clusters = np.unique(groups)
    v10 = np.array([(kernel.mean(axis=1) - auc)[groups[label] == g].sum() for g in clusters])
    v01 = np.array([(kernel.mean(axis=0) - auc)[groups[~label] == g].sum() for g in clusters])
    i10, i01 = len(np.unique(groups[label])), len(np.unique(groups[~label]))
    variance = i10 / (i10 - 1) / m**2 * (v10**2).sum() + i01 / (i01 - 1) / n**2 * (v01**2).sum()
    variance += 2 * len(clusters) / (len(clusters) - 1) / (m * n) * (v10 * v01).sum()
    assert delong_covariance(label, scores, groups=groups)[1][0, 0] == pytest.approx(variance)


def test_repeats_are_averaged_and_no_further_patients():
    label, scores = cohort(3, k=4)
    plain = delong_covariance(label, scores)
    repeated = delong_covariance(label, np.repeat(scores[:, None], 3, axis=1))
    for found, wanted in zip(repeated, plain, strict=True):
        np.testing.assert_allclose(found, wanted)
    # the mean of four AUCs has the mean of their covariances as its variance
    auc, covariance = delong_covariance(label, scores[None])
    assert auc[0] == pytest.approx(plain[0].mean())
    assert covariance[0, 0] == pytest.approx(plain[1].mean())


def test_equal_rankings_have_a_p_value_of_1():
    label, scores = cohort(4)
    found = delong_test(label, scores[0], 3 * scores[0] + 1)
    assert (found.difference, found.p_value) == (0, 1)


def test_delong_needs_two_patients_of_each_class():
    with pytest.raises(ValueError, match="two patients"):
        delong_covariance([1, 0, 0], [[1.0, 2.0, 3.0]])
    with pytest.raises(ValueError, match="1 with a positive"):
        delong_covariance([1, 1, 0, 0], [[1.0, 2.0, 3.0, 4.0]], groups=[0, 0, 1, 2])


def test_corrected_t_by_hand():
    # mean 0.02, variance 0.001, five folds: sqrt((1/5 + 1/4) * 0.001)
    differences = [0.02, 0.06, -0.02, 0.04, 0.0]
    found = corrected_resampled_t(differences, 0.25)
    assert found.difference == pytest.approx(0.02)
    assert found.standard_error == pytest.approx(np.sqrt(0.45 * 0.001))
    assert found.statistic == pytest.approx(0.02 / np.sqrt(0.00045))
    assert found.p_value == pytest.approx(2 * stats.t.sf(0.02 / np.sqrt(0.00045), 4))


def test_without_correction_it_is_the_t_test_of_scipy():
    differences = np.random.default_rng(0).normal(0.1, 1, 15)
    found, wanted = corrected_resampled_t(differences, 0), stats.ttest_1samp(differences, 0)
    assert found.statistic == pytest.approx(wanted.statistic)
    assert found.p_value == pytest.approx(wanted.pvalue)


def test_folds_without_a_figure_are_left_out():
    with_nan = corrected_resampled_t([0.1, np.nan, 0.3, 0.2], 0.25)
    assert with_nan == corrected_resampled_t([0.1, 0.3, 0.2], 0.25)
    assert np.isnan(corrected_resampled_t([0.1, np.nan], 0.25).p_value)
    assert corrected_resampled_t([0.0, 0.0, 0.0], 0.25).p_value == 1
    assert np.isnan(corrected_resampled_t([0.1, 0.1, 0.1], 0.25).p_value)


def test_holm_by_hand():
    # 0.005 * 4, 0.01 * 3, 0.03 * 2, and 0.04 * 1, which may not be below the one before
    found = holm([0.01, 0.04, 0.03, 0.005])
    np.testing.assert_allclose(found, [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.6, 0.7]), [1, 1])
    np.testing.assert_allclose(holm([0.2, np.nan, 0.02]), [0.2, np.nan, 0.04])
    assert holm([]).shape == (0,)


def test_holm_rejects_what_the_step_down_procedure_rejects():
    rng = np.random.default_rng(0)
    for _ in range(50):
        p = rng.random(6) ** 3
        order, rejected = np.argsort(p), np.zeros(6, bool)
        for k, i in enumerate(order):
            if p[i] > 0.05 / (6 - k):
                break
            rejected[i] = True
        np.testing.assert_array_equal(holm(p) <= 0.05, rejected)


def test_resamples_draw_whole_patients():
    groups = np.array(["a", "b", "a", "c", "c", "c"])
    (weights,) = patient_weights(groups, 500, 0)
    assert weights.shape == (500, 6)
    np.testing.assert_array_equal(weights[:, 0], weights[:, 2])
    np.testing.assert_array_equal(weights[:, 3], weights[:, 5])
    np.testing.assert_array_equal(weights[:, [0, 1, 3]].sum(axis=1), 3)
    np.testing.assert_allclose(weights.mean(axis=0), 1, atol=0.1)
    (again,) = patient_weights([5, 6, 5, 7, 7, 7], 500, 0)
    np.testing.assert_array_equal(weights, again)


def test_many_rows_are_resampled_in_parts():
    parts = list(patient_weights(np.arange(1_000_000), 3, 0))
    assert [len(part) for part in parts] == [2, 1]


def test_interval_is_near_that_of_scipy():
    rng = np.random.default_rng(0)
    label, predicted = rng.random(200) < 0.5, rng.random(200) < 0.5
    right = label == predicted
    draws = np.concatenate([w @ right / 200 for w in patient_weights(np.arange(200), 4000, 1)])
    low, high = percentile_interval(draws)
    theirs = stats.bootstrap((right,), np.mean, method="percentile").confidence_interval
    np.testing.assert_allclose([low, high], [theirs.low, theirs.high], atol=0.011)
    assert low < accuracy_score(label, predicted) < high


def test_interval_is_not_defined_where_the_figure_often_is_not():
    values = np.r_[np.full(4, np.nan), np.linspace(0, 1, 96)]
    np.testing.assert_allclose(percentile_interval(values, 0.9), [0.05, 0.95])
    assert np.isnan(percentile_interval(np.r_[values, np.nan, np.nan])).all()
    assert np.isnan(percentile_interval([np.nan])).all()
