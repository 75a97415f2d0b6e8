"""Scans that look like something else than HU are said once a fit, wherever they come from."""

from __future__ import annotations

import warnings

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin

from skedema import AttentionMixerClassifier, ViTAutoencoder, VolumeReader
from skedema.baselines import ScanFeatures
from skedema.evaluation import evaluate, missing_curve

READER = VolumeReader(shape=16, spacing=12.0)


class OwnReading(TransformerMixin, BaseEstimator):
    """A transformer that reads scans itself."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return VolumeReader(shape=2, spacing=90.0).transform(list(X)).reshape(len(X), -1)

    def __sklearn_is_fitted__(self):
        return True


@pytest.fixture
def cohort(tmp_path):
    """Eight patients, of whom the third and sixth have stored values for HU."""
    rng = np.random.default_rng(0)
    paths = []
    for k in range(8):
        hu = rng.normal(35, 6, (24, 24, 24))
        hu[:8], hu[8:10] = rng.normal(-1000, 6, (8, 24, 24)), rng.uniform(200, 1500, (2, 24, 24))
        hu += 1024 if k in (2, 5) else 0
        paths.append(str(tmp_path / f"{k}.nii"))
        nib.save(nib.Nifti1Image(hu.astype(np.int16), np.diag([8.0, 8, 8, 1])), paths[-1])
    index = [f"P{k}" for k in range(8)]
    return pd.DataFrame({"scan": paths, "age": rng.normal(60, 9, 8)}, index=index)


def fit(estimator, *args):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator.fit(*args)
    return [str(each.message) for each in caught]


def expected(cohort):
    at = [f"row {k} (index 'P{k}') '{cohort['scan'].iloc[k]}'" for k in (2, 5)]
    return f"2 of 8 scans are not in HU ({', '.join(at)}). "


ENCODERS = {
    "fixed": {"encoder": "cnn", "fine_tune": False},
    "mirrored": {"encoder": "cnn", "fine_tune": False, "mirror": True},
    "trained": {"encoder": "cnn"},
    "pre-trained": {"encoder": ViTAutoencoder(size="tiny", max_epochs=1)},
}


@pytest.mark.parametrize("params", ENCODERS.values(), ids=ENCODERS)
@pytest.mark.parametrize("kept", [False, True])
def test_the_classifier_says_so_at_every_fit(cohort, tmp_path, params, kept):
    from skedema._features import features
    from skedema.scans.cache import volumes

    y = np.arange(8) % 2
    memory = str(tmp_path / "memory") if kept else None
    clf = AttentionMixerClassifier(
        image="scan", volume=READER, max_epochs=1, random_state=0, memory=memory, **params
    )
    for again in range(2):
        (message,) = fit(clf, cohort, y)
        assert message.startswith(expected(cohort))
        assert volumes.n_reads is not None
        if kept:  # as a new process would find them
            features.clear(), volumes.clear()
        read = volumes.n_reads
        if again:
            assert volumes.n_reads == read
    assert fit(clf, cohort.drop(index=["P2", "P5"]), y[:6]) == []


def test_nothing_is_read_for_it_again(cohort, tmp_path):
    from skedema._features import features
    from skedema.scans.cache import volumes

    clf = AttentionMixerClassifier(
        image="scan", encoder="cnn", fine_tune=False, volume=READER, max_epochs=1,
        random_state=0, memory=str(tmp_path / "memory"),
    )  # fmt: skip
    before = volumes.n_reads
    fit(clf, cohort, np.arange(8) % 2)
    assert volumes.n_reads - before == 8
    features.clear(), volumes.clear()
    (message,) = fit(clf, cohort, np.arange(8) % 2)
    assert message.startswith(expected(cohort))
    assert volumes.n_reads - before == 8


def test_an_encoder_that_reads_scans_itself_is_heard_once(cohort):
    clf = AttentionMixerClassifier(image="scan", encoder=OwnReading(), max_epochs=1)
    (message,) = fit(clf, cohort, np.arange(8) % 2)
    names = ", ".join(repr(cohort["scan"].iloc[k]) for k in (2, 5))
    assert message.startswith(f"2 of 8 scans are not in HU ({names}).")


def test_the_autoencoder_and_the_baseline_say_so(cohort):
    (message,) = fit(ViTAutoencoder(size="tiny", max_epochs=1, volume=READER), cohort["scan"])
    assert message.startswith(expected(cohort))
    (message,) = fit(ScanFeatures(image="scan", encoder="cnn", volume=READER), cohort)
    assert message.startswith(expected(cohort))


def heard(function, *args, **kwargs):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = function(*args, **kwargs)
    return result, [str(each.message) for each in caught]


def of_all_folds(cohort):
    at = [f"row {k} (index 'P{k}') '{cohort['scan'].iloc[k]}'" for k in (2, 5)]
    return f"2 scans are not in HU ({', '.join(at)}). "


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_evaluation_says_so_once_by_the_rows_of_the_whole_table(cohort, n_jobs):
    others = cohort.iloc[2:4].assign(age=[50.5, 60.5]).rename(index=str.lower)
    clf = AttentionMixerClassifier(
        image="scan", volume=READER, encoder="cnn", max_epochs=1, random_state=0, n_members=1
    )
    clf.set_params(warn_unusual=True, fine_tune=False)
    y = np.arange(8) % 2
    _, texts = heard(evaluate, {"a": clf, "b": clf}, cohort, y, cv=4, random_state=0, n_jobs=n_jobs)
    (message,) = [text for text in texts if "not in HU" in text]
    assert message.startswith(of_all_folds(cohort))
    unlike = [text for text in texts if "unlike all that training saw" in text]
    assert len(unlike) == len(set(unlike))
    with_others, texts = heard(
        evaluate, {"a": clf}, cohort, y, cv=2, random_state=0, test=(others, [0, 1])
    )
    (message,) = [text for text in texts if "not in HU" in text]
    assert "test's row 0 (index 'p2')" in message
    assert with_others.external is not None


def test_a_curve_of_missing_values_says_so_once(cohort):
    clf = AttentionMixerClassifier(
        image="scan", volume=READER, encoder="cnn", fine_tune=False, max_epochs=1, random_state=0
    )
    settings = {"shares": [0.0, 1.0], "patterns": ["random values"], "keep": ["scan"]}
    _, texts = heard(missing_curve, {"a": clf}, cohort, np.arange(8) % 2, cv=2, **settings)
    (message,) = [text for text in texts if "not in HU" in text]
    assert message.startswith(of_all_folds(cohort))


def test_a_report_says_so_once(cohort):
    pytest.importorskip("jinja2")
    clf = AttentionMixerClassifier(
        image="scan", volume=READER, encoder="cnn", fine_tune=False, max_epochs=1, random_state=0
    )
    result, _ = heard(evaluate, {"a": clf}, cohort, np.arange(8) % 2, cv=2, random_state=0)
    _, texts = heard(result.report, n_resamples=20, n_cases=3)
    (message,) = [text for text in texts if "not in HU" in text]
    assert message.startswith(of_all_folds(cohort))
