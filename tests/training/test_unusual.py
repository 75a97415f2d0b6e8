from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.frozen import FrozenEstimator

from skedema import AttentionMixerClassifier, ViTAutoencoder, VolumeReader
from skedema.datasets import make_head_ct_cohort
from skedema.encoders import CNN
from skedema.scans.cache import volumes

READER = VolumeReader(spacing=13.5, shape=16)
N = 36
TINY = ViTAutoencoder(size="tiny", volume=READER, max_epochs=1, random_state=0)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> tuple[pd.DataFrame, pd.Series]:
    found = make_head_ct_cohort(N, tmp_path_factory.mktemp("cohort"), random_state=0)
    return found.frame[["scan", "age"]], found.target


@pytest.fixture(scope="module")
def odd(cohort) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    shape = (40, 40, 40)
    scans = [rng.normal(40, 300, shape), np.full(shape, -1000.0) + rng.normal(0, 9, shape)]
    some = cohort[0].head(4).astype({"scan": object}).set_axis(list("abcd"))
    some.iat[1, 0], some.iat[3, 0] = scans
    return some


def classifier(**parameters: object) -> AttentionMixerClassifier:
    defaults = {"encoder": CNN(width=4), "volume": READER, "max_epochs": 1, "random_state": 0}
    return AttentionMixerClassifier(image="scan", **(defaults | parameters))


ENCODERS = {
    "trained": {},
    "fixed": {"fine_tune": False},
    "pre-trained": {"encoder": TINY},
    "pre-trained and fixed": {"encoder": TINY, "fine_tune": False},
}


@pytest.mark.parametrize("name", ENCODERS)
def test_each_kind_of_encoder_warns_once_and_names_rows(name, cohort, odd):
    clf = classifier(**ENCODERS[name]).fit(*cohort)
    for method in (clf.predict, clf.predict_proba):
        with pytest.warns(UserWarning, match="unlike all that training saw") as caught:
            method(odd)
        (warning,) = caught
        text = str(warning.message)
        assert "2 of 4 scans are unlike" in text
        assert "row 1 (index 'b')" in text
        assert "row 3 (index 'd')" in text
        assert "warn_unusual=False" in text
    with pytest.warns(UserWarning, match="1 of 1 scans is unlike .* row 0"):
        clf.predict(odd.iloc[1])


def test_a_frozen_encoder(cohort, odd):
    frozen = FrozenEstimator(TINY.fit(cohort[0]["scan"].dropna().to_list()))
    with pytest.warns(UserWarning, match="2 of 4 scans are unlike"):
        classifier(encoder=frozen).fit(*cohort).predict(odd)


def test_it_can_be_turned_off_and_changes_no_prediction(cohort, odd):
    clf = classifier().fit(*cohort)
    with pytest.warns(UserWarning, match="unlike"):
        expected = clf.predict_proba(odd)
    assert_array_equal(clf.set_params(warn_unusual=False).predict_proba(odd), expected)


def test_patients_held_out_and_patients_learned_from_are_not_unusual(cohort):
    X, y = cohort
    clf = classifier().fit(X.iloc[:24], y.iloc[:24])
    clf.predict(X)
    clf.predict(X.assign(scan=None))


def test_a_model_that_was_loaded_warns_as_well(cohort, odd):
    clf = pickle.loads(pickle.dumps(classifier().fit(*cohort)))
    with pytest.warns(UserWarning, match="2 of 4 scans are unlike"):
        clf.predict(odd)


def test_parts_add_up(cohort, odd):
    X, y = cohort
    clf = classifier().partial_fit(X.iloc[:8], y.iloc[:8], classes=[0, 1])
    with pytest.warns(UserWarning, match="1 of 4 scans is not in HU") as caught:
        clf.predict(odd)  # eight scans tell nothing more
    assert len(caught) == 1
    clf.partial_fit(X.iloc[8:], y.iloc[8:])
    with pytest.warns(UserWarning, match="unlike"):
        clf.predict(odd)
    clf.predict(X)


def test_no_scan_is_read_for_it(cohort, tmp_path):
    X, y = cohort
    n_scans = int(X["scan"].notna().sum())
    for parameters in ENCODERS.values():
        volumes.clear()
        before = volumes.n_reads
        clf = classifier(memory=str(tmp_path), **parameters).fit(X, y)
        clf.predict(X)
        clf.predict(X.iloc[::-1])
        assert volumes.n_reads - before in (0, n_scans)  # known on disk from the second on


class Ranges(TransformerMixin, BaseEstimator):
    """A transformer that reads scans itself."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return np.array([[len(Path(str(cell)).name)] for cell in X], dtype=float)


def test_nothing_is_told_where_it_is_not_known_how_scans_are_read(cohort, odd):
    clf = classifier(encoder=Ranges()).fit(*cohort)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf.predict(odd)
