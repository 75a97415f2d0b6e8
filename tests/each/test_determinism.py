"""One seed, one result: in whatever engine, and whatever is kept already."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from joblib import parallel_config
from optuna.distributions import FloatDistribution

from skedema import AttentionMixerClassifier, VolumeReader
from skedema._features import features
from skedema.evaluation import evaluate, missing_curve
from skedema.scans.cache import volumes
from skedema.search import StudySearchCV

N = 40


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, N)
    paths = []
    for k in range(N):
        volume = rng.normal(30, 10, (16, 16, 16)).astype(np.float32)
        volume[:8] += 15 * y[k]
        paths.append(str(folder / f"{k}.npy"))
        np.save(paths[-1], volume)
    X = pd.DataFrame({"scan": paths, "age": rng.normal(60, 9, N), "sodium": rng.normal(140, 4, N)})
    X.loc[::7, "sodium"] = np.nan
    return X, y


def model(memory=None):
    return AttentionMixerClassifier(
        image="scan",
        encoder="cnn",
        volume=VolumeReader(shape=8),
        max_epochs=2,
        n_members=1,
        memory=memory,
        random_state=0,
    )


def evaluated(cohort, n_jobs=None, memory=None):
    models = {"tuned": model(memory), "coarse": model(memory).set_params(lr=0.1)}
    found = evaluate(
        models, *cohort, cv=2, n_jobs=n_jobs, return_estimator=False, random_state=0
    ).predictions
    return found.drop(columns=[c for c in found if "seconds" in c])


@pytest.fixture(scope="module")
def expected(cohort):
    return evaluated(cohort)


def test_in_processes_cold_and_warm(cohort, expected, tmp_path):
    for _ in range(2):
        pd.testing.assert_frame_equal(evaluated(cohort, 2, tmp_path), expected, check_exact=True)
    pd.testing.assert_frame_equal(evaluated(cohort, 1, tmp_path), expected, check_exact=True)


def test_in_threads(cohort, expected):
    with parallel_config(backend="threading", n_jobs=2):
        pd.testing.assert_frame_equal(evaluated(cohort), expected, check_exact=True)


@pytest.mark.slow
def test_on_a_cluster(cohort, expected, cluster):
    with parallel_config(backend=cluster):
        pd.testing.assert_frame_equal(evaluated(cohort), expected, check_exact=True)


@pytest.mark.slow
def test_in_threads_of_one_worker_of_dask(cohort, expected, dask_threads):
    drawn = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    with parallel_config(backend="dask"):
        pd.testing.assert_frame_equal(evaluated(cohort), expected, check_exact=True)
    assert torch.equal(torch.get_rng_state(), drawn[0])
    assert np.array_equal(np.random.get_state()[1], drawn[1])  # noqa: NPY002
    assert torch.get_default_dtype() is torch.float32


def searched(cohort, n_jobs=None):
    space = {"lr": FloatDistribution(1e-3, 1e-1, log=True)}
    search = StudySearchCV(model(), space, n_trials=2, cv=2, n_jobs=n_jobs, random_state=0)
    X, y = cohort
    search.fit(X, y)
    scores = search.trials_.drop(columns=[c for c in search.trials_ if "seconds" in c])
    return scores, search.predict_proba(X)


@pytest.fixture(scope="module")
def found(cohort):
    return searched(cohort)


def same(one, other):
    pd.testing.assert_frame_equal(one[0], other[0], check_exact=True)
    np.testing.assert_array_equal(one[1], other[1])


def test_a_search_in_processes(cohort, found):
    same(searched(cohort, 2), found)


def test_a_search_in_threads(cohort, found):
    with parallel_config(backend="threading", n_jobs=2):
        same(searched(cohort), found)


@pytest.mark.slow
def test_a_search_on_a_cluster(cohort, found, cluster):
    with parallel_config(backend=cluster):
        same(searched(cohort), found)


@pytest.mark.slow
def test_scans_are_read_and_gaps_followed_on_a_cluster(cohort, cluster):
    X, y = cohort
    reader = VolumeReader(shape=8)
    models = {"mixer": model()}
    asked = {"shares": [0, 0.5], "patterns": ["random values"], "cv": 2, "random_state": 0}
    read = reader.transform(X["scan"])
    curve = missing_curve(models, X, y, **asked)
    with parallel_config(backend=cluster):
        np.testing.assert_array_equal(reader.transform(X["scan"]), read)
        pd.testing.assert_frame_equal(missing_curve(models, X, y, **asked), curve)


@pytest.mark.slow
def test_scans_are_encoded_on_a_cluster_and_not_here(cohort, cluster):
    X, y = cohort
    clf = model().fit(X, y)
    expected = clf.image_features(X)
    for cache in (features, volumes):
        cache.clear()
    before = volumes.n_reads
    with parallel_config(backend=cluster):
        np.testing.assert_array_equal(clf.image_features(X), expected)
    assert volumes.n_reads == before
