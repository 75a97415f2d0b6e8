"""Each scan is read once and encoded once, and nobody can tell from the results."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import joblib
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import permutation_importance
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    TunedThresholdClassifierCV,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skedema import AttentionMixerClassifier, ScanError, ViTAutoencoder, VolumeReader
from skedema._features import FeatureCache, ModuleEncoder, features
from skedema._pretraining.loop import Training
from skedema._training.encoding import TransformerEncoder
from skedema._training.fitted import fitted as fitted_encoders
from skedema.encoders import CNN, ViT
from skedema.scans.cache import volumes

N, SIDE, N_SCANS = 24, 8, 22
FOLDS = StratifiedKFold(3, shuffle=True, random_state=0)
READER = VolumeReader(spacing=None, shape=SIDE)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Patients with scans in files, two without."""
    folder, rng = tmp_path_factory.mktemp("scans"), np.random.default_rng(0)
    y = np.arange(N) % 2
    paths: list[str | None] = []
    for patient in range(N):
        hu = rng.normal(40 - 6 * y[patient], 8, (SIDE,) * 3).astype(np.float32)
        paths.append(write(hu, folder / f"{patient}.nii"))
    paths[4] = paths[9] = None
    X = pd.DataFrame({"scan": paths, "sodium": rng.normal(138, 5, N), "age": rng.normal(60, 9, N)})
    return X, y


def write(hu: np.ndarray, path: Path) -> str:
    nib.save(nib.Nifti1Image(hu, np.eye(4)), path)
    return str(path)


def autoencoder(**parameters: Any) -> ViTAutoencoder:
    small = {"size": "tiny", "patch": 4, "depth": 1, "decoder_depth": 1, "max_epochs": 1}
    return ViTAutoencoder(**(small | {"volume": READER} | parameters))


def flatten(batch: np.ndarray) -> np.ndarray:
    return batch.reshape(len(batch), -1)


def components() -> Any:
    return make_pipeline(READER, FunctionTransformer(flatten), PCA(3, random_state=0))


def classifier(**parameters: Any) -> AttentionMixerClassifier:
    defaults = {
        "image": "scan",
        "encoder": CNN(width=4, depth=2),
        "volume": READER,
        "dim": 8,
        "max_epochs": 2,
        "random_state": 0,
    }
    return AttentionMixerClassifier(**(defaults | parameters))


@pytest.fixture(scope="module")
def frozen(cohort):
    """Give what is made before: an encoder each of our own and of scikit-learn's."""
    scans = list(cohort[0]["scan"].dropna())
    ours = autoencoder(random_state=1).fit(scans[:6])
    # As it comes from a file: fitted arrays of scikit-learn's lie in memory in another order than
    # unpickled ones, and that decides the last bits of a product.
    theirs = pickle.loads(pickle.dumps(components().fit(scans)))
    return {"autoencoder": FrozenEstimator(ours), "pipeline": FrozenEstimator(theirs)}


@contextmanager
def counting() -> Iterator[dict[str, int]]:
    before, found = (volumes.n_reads, features.n_encoded), {}
    yield found
    found["read"] = volumes.n_reads - before[0]
    found["encoded"] = features.n_encoded - before[1]


KINDS: dict[str, Callable[[dict[str, Any]], AttentionMixerClassifier]] = {
    "trained": lambda _: classifier(),
    "built and kept": lambda _: classifier(encoder=ViT(dim=12, depth=1, patch=4), fine_tune=False),
    "pre-trained on the fold": lambda _: classifier(encoder=autoencoder(), fine_tune=False),
    "pre-trained on the fold and trained": lambda _: classifier(encoder=autoencoder()),
    "frozen": lambda frozen: classifier(encoder=frozen["autoencoder"]),
    "frozen and trained": lambda frozen: classifier(encoder=frozen["autoencoder"], fine_tune=True),
    "components": lambda _: classifier(encoder=components()),
    "frozen components": lambda frozen: classifier(encoder=frozen["pipeline"]),
}


# How often


@pytest.mark.parametrize("kind", ["frozen", "built and kept", "frozen components"])
def test_folds_scorers_columns_and_candidates_share_one_pass(cohort, frozen, kind):
    X, y = cohort
    clf = KINDS[kind](frozen)
    with counting() as found:
        cross_validate(clf, X, y, cv=FOLDS, scoring=["accuracy", "roc_auc"])
        GridSearchCV(clf, {"lr": [1e-3, 1e-2], "dim": [8, 16]}, cv=FOLDS).fit(X, y)
        fitted = clone(clf).fit(X, y)
        permutation_importance(fitted, X, y, n_repeats=2, random_state=0)
        fitted.attention(X), fitted.image_features(X)
    assert found["encoded"] == N_SCANS
    assert found["read"] in (N_SCANS, 0)  # a pipeline of scikit-learn's reads by itself


TRAINED = ["trained", "frozen and trained", "pre-trained on the fold and trained"]


@pytest.mark.parametrize("kind", TRAINED)
def test_a_trained_encoder_makes_one_pass_for_all_that_follows(cohort, frozen, kind):
    X, y = cohort
    with counting() as found:
        fitted = KINDS[kind](frozen).fit(X, y)
    at_the_start = 0 if kind == "trained" else N_SCANS  # one that is pre-trained is looked at
    assert found == {"read": N_SCANS, "encoded": at_the_start}
    with counting() as found:
        permutation_importance(fitted, X, y, n_repeats=3, random_state=0)
        fitted.predict(X.iloc[::-1]), fitted.score(X[5:], y[5:])
    assert found == {"read": 0, "encoded": N_SCANS}


def test_a_threshold_is_tuned_in_one_pass(cohort):
    X, y = cohort
    clf = classifier().fit(X, y)
    tuned = TunedThresholdClassifierCV(FrozenEstimator(clf), cv="prefit", refit=False)
    with counting() as found:
        tuned.fit(X, y).predict(X)
    assert found["encoded"] == N_SCANS


def test_an_encoder_of_the_fold_is_fitted_and_used_once_a_fold_whatever_is_searched(
    cohort, monkeypatch
):
    X, y = cohort
    runs, run = [], Training.run
    monkeypatch.setattr(Training, "run", lambda *a, **k: (runs.append(1), run(*a, **k)))
    clf = classifier(encoder=autoencoder(), fine_tune=False)
    with counting() as found:
        GridSearchCV(clf, {"lr": [1e-3, 1e-2], "dim": [8, 16]}, cv=FOLDS, refit=False).fit(X, y)
    assert len(runs) == 3
    assert found == {"read": N_SCANS, "encoded": 3 * N_SCANS}
    other = clone(clf).set_params(encoder__mask_ratio=0.5)
    cross_val_score(other, X, y, cv=FOLDS)
    cross_val_score(clone(clf).set_params(random_state=1), X, y, cv=FOLDS)
    assert len(runs) == 9


def test_cohorts_in_which_scans_repeat_are_encoded_once_a_scan(cohort, frozen):
    X, y = cohort
    twice, labels = pd.concat([X, X], ignore_index=True), np.concatenate([y, y])
    with counting() as found:
        clf = classifier(encoder=frozen["autoencoder"]).fit(twice, labels)
        twice_predicted = clf.predict_proba(twice)
    assert found["encoded"] == N_SCANS
    assert_array_equal(twice_predicted[:N], twice_predicted[N:])


# The same results


def uncached(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (ModuleEncoder, TransformerEncoder):
        monkeypatch.setattr(kind, "recipe", lambda _: None)
    monkeypatch.setattr("skedema._training.fitted.identity", lambda _: None)


@pytest.mark.parametrize("kind", KINDS)
def test_results_are_those_without_a_cache_to_the_bit(cohort, frozen, kind, monkeypatch):
    X, y = cohort

    def results() -> list[np.ndarray]:
        found = []
        for rows in (np.arange(N), np.arange(N - 4)):  # the second fit finds what the first left
            clf = KINDS[kind](frozen).fit(X.iloc[rows], y[rows])
            found += [clf.predict_proba(X), clf.predict_proba(X[::-1]), clf.image_features(X[3:8])]
        return found

    cached = [*results(), *results()]
    with monkeypatch.context() as patch:
        uncached(patch)
        with counting() as found:
            expected = results()
    assert found["encoded"] > 2 * N_SCANS
    for ours, theirs in zip(cached, [*expected, *expected], strict=True):
        assert_array_equal(ours, theirs)


def test_a_cache_too_small_for_the_cohort_changes_nothing(cohort, frozen, monkeypatch):
    X, y = cohort
    clf = classifier(encoder=frozen["autoencoder"])
    expected = clf.fit(X, y).predict_proba(X)
    monkeypatch.setattr("skedema._features.features", FeatureCache(max_bytes=100))
    assert_array_equal(clone(clf).fit(X, y).predict_proba(X), expected)


@pytest.mark.parametrize("kind", ["frozen", "frozen components", "pre-trained on the fold"])
def test_results_are_the_same_for_every_n_jobs(cohort, frozen, kind, tmp_path):
    X, y = cohort
    before = torch.get_num_threads()
    scores = []
    for n_jobs, n_threads, memory in ((1, 1, None), (1, 2, None), (2, 1, None), (2, 1, tmp_path)):
        if kind == "pre-trained on the fold" and n_threads == 2:
            continue  # pre-training uses all threads, whose number decides the last bits
        torch.set_num_threads(n_threads)
        try:
            clf = KINDS[kind](frozen).set_params(n_jobs=n_jobs, memory=memory and str(memory))
            found = cross_validate(clf, X, y, cv=FOLDS, scoring="neg_log_loss", n_jobs=n_jobs)
            scores.append(found["test_score"])
        finally:
            torch.set_num_threads(before)
    assert len(scores) >= 3
    for found in scores[1:]:
        assert_array_equal(found, scores[0])


def test_further_training_and_changed_weights_are_seen(cohort):
    X, y = cohort
    clf = classifier().partial_fit(X, y, classes=[0, 1])
    first = clf.image_features(X)
    second = clf.partial_fit(X, y).image_features(X)
    assert np.abs(first - second).max() > 1e-6
    weights = clf.encoder_.state_dict()
    clf.encoder_.load_state_dict({name: 2 * value for name, value in weights.items()})
    assert np.abs(clf.image_features(X) - second).max() > 1e-6
    clf.encoder_.load_state_dict({name: value / 2 for name, value in weights.items()})
    assert_array_equal(clf.image_features(X), second)


def test_the_pool_of_a_fitted_autoencoder_may_be_changed(cohort, frozen):
    scans = cohort[0]["scan"].dropna()
    encoder = clone(frozen["autoencoder"].estimator).fit(scans)
    mean = encoder.transform(scans)
    token = encoder.set_params(pool="cls").transform(scans)
    assert np.abs(mean - token).max() > 1e-3


@pytest.mark.parametrize("with_memory", [False, True])
@pytest.mark.parametrize("kind", ["frozen", "frozen components"])
def test_a_scan_that_changed_on_disk_is_encoded_anew(cohort, frozen, kind, with_memory, tmp_path):
    X, y = cohort[0].dropna().iloc[:6].copy(), np.arange(6) % 2
    rng = np.random.default_rng(0)
    hu = [rng.normal(40, 8, (SIDE,) * 3).astype(np.float32) for _ in range(6)]
    X["scan"] = [write(each, tmp_path / f"{i}.nii") for i, each in enumerate(hu)]
    clf = KINDS[kind](frozen).set_params(memory=str(tmp_path / "m") if with_memory else None)
    before = clf.fit(X, y).image_features(X)
    path = Path(X["scan"].iloc[2])
    write(hu[2] - 15, path)
    later = path.stat().st_mtime_ns + 10**9  # whatever the clock of the file system
    os.utime(path, ns=(later, later))
    with counting() as found:
        after = clf.image_features(X)
    assert found["encoded"] == 1
    assert np.abs(after[2] - before[2]).max() > 1e-3
    assert_array_equal(np.delete(after, 2, 0), np.delete(before, 2, 0))


# Between processes and threads


SCRIPT = """
import pickle, sys
from pathlib import Path
import numpy as np
from skedema._features import features
from skedema._training.fitted import fitted
from skedema.scans.cache import volumes
for folder in map(Path, sys.argv[1:]):
    for cache in (volumes, features, fitted):
        cache.clear()  # as another process would begin
    clf, X = pickle.loads((folder / "clf.pkl").read_bytes())
    np.save(folder / "found.npy", clf.predict_proba(X))
    print(volumes.n_reads, features.n_encoded)
"""


@pytest.mark.slow
def test_memory_is_shared_by_other_processes(cohort, frozen, tmp_path):
    X, y = cohort
    expected = {}
    for kind in ("trained", "frozen", "built and kept"):
        folder = tmp_path / kind
        folder.mkdir()
        clf = KINDS[kind](frozen).set_params(memory=str(folder / "memory")).fit(X, y)
        expected[folder] = clf.predict_proba(X)
        (folder / "clf.pkl").write_bytes(pickle.dumps((clf, X)))
        for cache in (volumes, features, fitted_encoders):
            cache.clear()  # what one has read and encoded, the next may not find here
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py", *expected],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["0", "0"] * 3
    for folder, proba in expected.items():
        assert_array_equal(np.load(folder / "found.npy"), proba)


def test_pre_training_is_found_again_in_memory(cohort, tmp_path, monkeypatch):
    scans = list(cohort[0]["scan"].dropna())
    encoder = autoencoder(random_state=3, memory=str(tmp_path), max_epochs=2)
    first = encoder.fit(scans).transform(scans)
    steps, step = [], Training.step
    monkeypatch.setattr(Training, "step", lambda *a, **k: (steps.append(1), step(*a, **k))[1])
    again = clone(encoder).fit(scans)
    assert steps == []
    assert_array_equal(again.transform(scans), first)
    assert len(again.history_) == 2
    clone(encoder).fit(scans[1:])  # other scans are another run
    clone(encoder).set_params(lr=2e-3).fit(scans)
    assert steps
    n_runs = len(list((tmp_path / "skedema" / "pretraining").iterdir()))
    assert n_runs == 3
    clone(encoder).set_params(random_state=None).fit(scans)  # no later one would be the same
    assert len(list((tmp_path / "skedema" / "pretraining").iterdir())) == n_runs


def test_threads_that_miss_at_once_encode_once(cohort, frozen):
    X, y = cohort
    clf = classifier(encoder=frozen["autoencoder"]).fit(X, y)
    expected = clf.predict_proba(X)
    features.clear()
    barrier = threading.Barrier(4)

    def predict(_: int) -> np.ndarray:
        barrier.wait()
        return clf.predict_proba(X)

    with counting() as found, ThreadPoolExecutor(4) as pool:
        results = list(pool.map(predict, range(4)))
    assert found["encoded"] == N_SCANS
    for result in results:
        assert_array_equal(result, expected)


def test_nothing_of_a_cache_is_pickled(cohort):
    X, y = cohort
    clf = classifier().fit(X, y)
    size = len(pickle.dumps(clf))
    clf.predict_proba(X)
    assert len(pickle.dumps(clf)) == size
    assert pickle.loads(pickle.dumps(features)).nbytes == 0


def test_what_was_encoded_before_an_interrupt_is_kept(cohort, frozen, monkeypatch, tmp_path):
    X, y = cohort
    clf = classifier(encoder=frozen["pipeline"], memory=joblib.Memory(tmp_path, verbose=0))
    calls, read = [], VolumeReader.read

    def stop_at_the_tenth(self, scan):
        calls.append(scan)
        if len(calls) == 10:
            raise KeyboardInterrupt
        return read(self, scan)

    with monkeypatch.context() as patch:
        patch.setattr(VolumeReader, "read", stop_at_the_tenth)
        with pytest.raises(KeyboardInterrupt):
            clf.fit(X, y)
    features.clear()  # as a new process would be
    with counting() as found:
        clf.fit(X, y)
    assert found["encoded"] == N_SCANS - 9


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("kind", ["trained", "frozen", "frozen components"])
def test_a_scan_that_cannot_be_read_is_named_by_its_row(cohort, frozen, kind, n_jobs, tmp_path):
    X, y = cohort
    clf = KINDS[kind](frozen).set_params(n_jobs=n_jobs).fit(X, y)
    damaged = X.copy()
    damaged.index = [f"P{i}" for i in range(N)]
    path = tmp_path / "damaged.nii"
    path.write_bytes(b"no scan")
    damaged.loc["P7", "scan"] = str(path)
    with pytest.raises(ScanError, match=r"^row 7 \(index 'P7'\): .*damaged\.nii"):
        clf.predict_proba(damaged)


def test_progress_of_encoding_is_shown_once(cohort, frozen, capsys):
    X, y = cohort
    clf = classifier(encoder=autoencoder(), fine_tune=False, verbose=1).fit(X, y)
    shown = capsys.readouterr().err
    assert shown.count(f"{N_SCANS}/{N_SCANS}") >= 1
    assert "0/16" not in shown
    clf.predict_proba(X)
    assert "encoding" not in capsys.readouterr().err
