from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin

from skedema import ScanError, VolumeReader
from skedema._features import View, features, features_of
from skedema._scan_column import take_scans
from skedema._training.encoding import TransformerEncoder
from skedema._volumes import Volumes
from skedema.frames import read_table


class Means(TransformerMixin, BaseEstimator):
    """Tells what its features depend on, and can show scans mirrored."""

    def fit(self, X, y=None):
        return self

    def features_digest(self):
        return "means"

    def transform(self, X):
        return np.array([[np.mean(each[:4])] for each in X])

    def transform_mirrored(self, X):
        return self.transform([each[::-1] for each in X])


class Reading(Means):
    def transform(self, X):
        return VolumeReader(shape=2).transform(list(X)).reshape(len(X), -1)


def patients(cells):
    column = np.empty(len(cells), dtype=object)
    for row, cell in enumerate(cells):
        column[row] = cell
    index = [f"P{row}" for row in range(len(cells))]
    return Volumes(take_scans(read_table(pd.DataFrame({"scan": column}, index=index)), 0), None)


CELLS = [np.random.default_rng(k).normal(40, 9, (8, 8, 8)) for k in range(3)]


def test_both_views_are_asked_for_once_and_found_by_what_the_transformer_tells():
    volumes, encoder = patients(CELLS), TransformerEncoder(Means())
    before = features.n_encoded
    plain, mirrored = features_of(encoder, volumes, volumes.rows, (False, True))
    assert plain[:, 0].tolist() == [np.mean(each[:4]) for each in CELLS]
    assert mirrored[:, 0].tolist() == [np.mean(each[::-1][:4]) for each in CELLS]
    (again,) = features_of(TransformerEncoder(Means()), volumes, volumes.rows[1:], (True,))
    np.testing.assert_array_equal(again, mirrored[1:])
    assert features.n_encoded - before == 6


def test_a_scan_that_cannot_be_read_is_named_by_the_row_of_the_table(tmp_path):
    (tmp_path / "bad.nii").write_bytes(b"no scan")
    volumes = patients([CELLS[0], str(tmp_path / "bad.nii")])
    with pytest.raises(ScanError, match=r"^row 1 \(index 'P1'\): (?!row 0).*bad\.nii"):
        features_of(TransformerEncoder(Reading()), volumes, volumes.rows)


@pytest.mark.parametrize("odd", [np.zeros(1), np.zeros((2, 1)), np.array([["a"]])])
def test_a_transformer_gives_one_row_of_numbers_a_scan(odd):
    encoder = TransformerEncoder(type("Odd", (Means,), {"transform": lambda *_: odd})())
    what = re.escape(f"Odd gave {odd.dtype} of shape {odd.shape} for 1")
    with pytest.raises(ValueError, match=what):
        list(encoder.encode(patients(CELLS), [View(0, mirror=False)], keep=False))
