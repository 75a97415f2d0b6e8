from __future__ import annotations

import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_array_equal

from skedema import AttentionMixerClassifier, VolumeReader
from skedema.baselines import ClinicalValues, ScanFeatures
from skedema.encoders import CNN

N = 12
_RNG = np.random.default_rng(0)
X = pd.DataFrame(
    {
        "sodium": _RNG.normal(138, 5, N),
        "scan": pd.Series([_RNG.normal(40, 10, (8, 8, 8)) for _ in range(N)], dtype=object),
        "sex": ["f", "m"] * (N // 2),
        "coma": [True, False, False] * (N // 3),
        "grade": pd.Categorical([1, 2, 3, 1] * (N // 4)),
        "count": np.arange(N) % 5,
    }
)
X.index = [f"P{k}" for k in range(N)]
X.loc["P1", ["sodium", "sex"]] = None
X.loc["P2", "scan"] = None
NAMED = X.drop(columns="scan").astype(object).where(X.drop(columns="scan").notna(), None)
Y = np.array([0, 1, 1, 0] * (N // 4))
KEYS = list(X.columns)


@pytest.fixture(scope="module")
def fitted() -> AttentionMixerClassifier:
    clf = AttentionMixerClassifier(
        image="scan",
        encoder=CNN(width=4),
        volume=VolumeReader(shape=8),
        max_epochs=2,
        random_state=0,
    )
    return clf.fit(X, Y)


AS_ONE = {
    "row": lambda k: X.iloc[k],
    "row in another order": lambda k: X.iloc[k][KEYS[::-1]],
    "dict": lambda k: X.iloc[k].to_dict(),
    "dict of arrays without axes": lambda k: {
        key: np.array(v) if isinstance(v, float) else v for key, v in X.iloc[k].items()
    },
    "dict of polars": lambda k: (
        pl.DataFrame({c: NAMED[c].tolist() for c in NAMED}, strict=False).row(k, named=True)
        | {"scan": X["scan"].iloc[k]}
    ),
}


@pytest.mark.parametrize("form", AS_ONE)
@pytest.mark.parametrize("method", ["predict", "predict_proba", "image_features", "attention"])
def test_a_row_or_a_dict_is_a_patient(fitted, form, method):
    for k in range(4):
        found = getattr(fitted, method)(AS_ONE[form](k))
        expected = getattr(fitted, method)(X.iloc[[k]])
        assert_array_equal(np.asarray(found), np.asarray(expected))


def test_attention_has_the_label_of_the_row(fitted):
    one, table = fitted.attention(X.iloc[1]), fitted.attention(X.iloc[[1]])
    pd.testing.assert_frame_equal(one, table)
    assert one.attrs == table.attrs
    assert fitted.attention(X.iloc[1].to_dict()).index.tolist() == [0]


def test_a_scan_that_is_left_out_is_missing(fitted):
    expected = fitted.predict_proba(X.iloc[[0]].assign(scan=None))
    assert_array_equal(fitted.predict_proba(X.iloc[0].drop("scan")), expected)
    without = X.iloc[0].to_dict()
    del without["scan"]
    assert_array_equal(fitted.predict_proba(without), expected)


@pytest.mark.parametrize("make", [lambda row: row, lambda row: row.to_dict()])
def test_a_clinical_value_that_is_left_out_is_named(fitted, make):
    with pytest.raises(ValueError, match="missing now: 'sex'"):
        fitted.predict(make(X.iloc[0].drop("sex")))
    # As the message says, a missing value stands for what was not measured.
    nothing = X.iloc[0].copy()
    nothing["sex"] = None
    assert len(fitted.predict(make(nothing))) == 1
    with pytest.raises(ValueError, match="not seen in fit: 'age'"):
        fitted.predict(make(pd.concat([X.iloc[0], pd.Series({"age": 61})])))


BAD = {
    "dict of columns": (lambda: X.to_dict("list"), "holds several in 'sodium'.*pd.DataFrame"),
    "dict of Series": (lambda: dict(X.items()), "holds several in 'sodium'"),
    "column": (lambda: X["sodium"], "got a Series"),
    "empty dict": (lambda: {}, "got dict"),
    "array": (lambda: X.iloc[0].to_numpy(), "1D array"),
    "value twice": (
        lambda: pd.concat([X.iloc[0], pd.Series({"sex": "f"})]),
        "more than one value of 'sex'",
    ),
    "text for a number": (lambda: X.iloc[0].to_dict() | {"sodium": "high"}, "'sodium' is numeric"),
    "scan that is none": (lambda: X.iloc[0].to_dict() | {"scan": 5}, "numbers, not scans"),
    "scan that is not there": (lambda: X.iloc[0].to_dict() | {"scan": "a/b.nii"}, "is not there"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_patient_is_refused(fitted, name):
    make, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        fitted.predict(make())


def test_the_remedies_for_fit_work(fitted):
    with pytest.raises(ValueError, match=re.escape("pd.DataFrame([X])")):
        fitted.fit(X.iloc[0].to_dict(), Y)
    row = X.iloc[0].to_dict()
    assert_array_equal(fitted.predict(pd.DataFrame([row])), fitted.predict(row))
    with pytest.raises(ValueError, match=re.escape("table.iloc[[0]]")):
        fitted.fit(X.iloc[0], Y)


def test_labels_that_are_no_text():
    numbers = pd.DataFrame({10: [1.0, 2.0, 3.0, 4.0], 20: ["a", "b", "a", "b"]})
    clf = AttentionMixerClassifier(max_epochs=1, random_state=0).fit(numbers, [0, 1, 0, 1])
    expected = clf.predict_proba(numbers.iloc[[1]])
    assert_array_equal(clf.predict_proba(numbers.iloc[1]), expected)
    assert_array_equal(clf.predict_proba({20: "b", 10: 2.0}), expected)


def test_a_model_without_names_takes_no_patient_by_name():
    array = np.arange(8.0).reshape(4, 2)
    clf = AttentionMixerClassifier(max_epochs=1, random_state=0).fit(array, [0, 1, 0, 1])
    for one in (pd.Series([1.0, 2.0]), {"a": 1.0, "b": 2.0}):
        with pytest.raises(ValueError, match="Expected 2D array"):
            clf.predict(one)


def test_transformers_take_a_patient_as_well():
    features = ScanFeatures(image="scan", encoder=CNN(width=4), volume=VolumeReader(shape=8))
    for transformer in (features.set_params(random_state=0), ClinicalValues(image="scan")):
        transformer.fit(X)
        found = np.asarray(transformer.transform(X.iloc[3]))
        assert_array_equal(found, np.asarray(transformer.transform(X.iloc[[3]])))
