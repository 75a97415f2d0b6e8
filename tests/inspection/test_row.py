from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_array_equal
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skedema import AttentionMixerClassifier, VolumeReader
from skedema.encoders import CNN
from skedema.inspection._row import one_row

N = 12
_RNG = np.random.default_rng(0)
X = pd.DataFrame(
    {
        "sodium": _RNG.normal(138, 5, N),
        "scan": pd.Series([_RNG.normal(40, 10, (8, 8, 8)) for _ in range(N)], dtype=object),
        "sex": ["f", "m"] * (N // 2),
        "grade": pd.Categorical([1, 2, 3, 1] * (N // 4)),
    }
).set_axis([f"P{k}" for k in range(N)])
Y = np.array([0, 1, 1, 0] * (N // 4))


@pytest.fixture(scope="module")
def fitted() -> AttentionMixerClassifier:
    clf = AttentionMixerClassifier(
        image="scan", encoder=CNN(width=4), volume=VolumeReader(shape=8), max_epochs=1
    )
    return clf.set_params(random_state=0).fit(X, Y)


@pytest.fixture(scope="module")
def of_numbers() -> AttentionMixerClassifier:
    return AttentionMixerClassifier(max_epochs=1).fit(np.arange(8.0).reshape(4, 2), [0, 1, 0, 1])


FORMS = {
    "dict": lambda: X.iloc[3].to_dict(),
    "Series": lambda: X.iloc[3],
    "Series in another order": lambda: X.iloc[3][["grade", "scan", "sex", "sodium"]],
    "frame": lambda: X.iloc[[3]],
    "frame in another order": lambda: X.iloc[[3]][["grade", "scan", "sex", "sodium"]],
    "array": lambda: X.iloc[[3]].to_numpy(dtype=object),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_same_patient(fitted, form):
    row = one_row(fitted, FORMS[form]())
    assert list(row.columns) == list(X.columns)
    assert row.shape == (1, 4)
    assert row["sodium"].item() == X["sodium"].iloc[3]
    assert_array_equal(row["scan"].item(), X["scan"].iloc[3])
    assert_array_equal(fitted.predict_proba(row), fitted.predict_proba(X.iloc[[3]]))


def test_a_row_of_polars_and_what_is_missing(fitted):
    values = {"grade": 1, "sex": [None], "sodium": [None], "scan": ["a/b.nii"]}
    frame = pl.DataFrame(values, schema_overrides={"sex": pl.String, "sodium": pl.Float64})
    row = one_row(fitted, frame.with_columns(scan=pl.lit(None)))
    assert row.isna().iloc[0].to_dict() == {
        "sodium": True, "scan": True, "sex": True, "grade": False,
    }  # fmt: skip
    assert pd.isna(one_row(fitted, X.iloc[3].drop("scan"))["scan"].item())


def test_the_label_of_a_row_stays(fitted):
    assert one_row(fitted, X.iloc[3]).index.tolist() == ["P3"]
    assert one_row(fitted, X.iloc[3].to_dict()).index.tolist() == [0]


def test_columns_without_names(of_numbers):
    row = one_row(of_numbers, [[3.0, 4.0]])
    assert row.columns.tolist() == [0, 1]
    assert row.to_numpy().tolist() == [[3.0, 4.0]]
    assert of_numbers.predict_proba(row).shape == (1, 2)


def test_several_rows_and_the_remedies(fitted):
    with pytest.raises(ValueError, match=r"there are 12 rows.*X.iloc\[\[0\]\], X.iloc\[0\]"):
        one_row(fitted, X)
    for one in (X.iloc[[0]], X.iloc[0]):
        assert len(one_row(fitted, one)) == 1


def test_unknown_columns_are_named(fitted):
    with pytest.raises(ValueError, match="not seen in fit: 'age'"):
        one_row(fitted, X.iloc[[0]].assign(age=61))


def test_what_is_around_a_classifier_is_not_looked_into(fitted):
    pipeline = make_pipeline(FunctionTransformer(), fitted)
    with pytest.raises(TypeError, match=r"Pipeline cannot be looked into.*model\[-1\]"):
        one_row(pipeline, X.iloc[[0]])
    assert len(one_row(pipeline[-1], pipeline[:-1].transform(X.iloc[[0]]))) == 1
    with pytest.raises(TypeError, match=r"model\.estimator"):
        one_row(FrozenEstimator(fitted), X.iloc[[0]])
    table = X[["sodium", "grade"]]
    clf = AttentionMixerClassifier(max_epochs=1, random_state=0)
    search = GridSearchCV(clf, {"dim": [8]}, n_jobs=1, cv=2).set_params(estimator__n_heads=2)
    search.fit(table, Y)
    with pytest.raises(TypeError, match=r"search\.best_estimator_"):
        one_row(search, table.iloc[[0]])
    assert len(one_row(search.best_estimator_, table.iloc[[0]])) == 1
    calibrated = CalibratedClassifierCV(clf, cv=2).fit(table, Y)
    with pytest.raises(TypeError, match=r"calibrated_classifiers_\[0\]\.estimator"):
        one_row(calibrated, table.iloc[[0]])
    assert len(one_row(calibrated.calibrated_classifiers_[0].estimator, table.iloc[[0]])) == 1
    with pytest.raises(TypeError, match="give a fitted AttentionMixerClassifier"):
        one_row("model", X)


def test_a_model_that_is_not_fitted_says_so():
    with pytest.raises(NotFittedError):
        one_row(AttentionMixerClassifier(), X.iloc[[0]])


def test_the_reader_is_public(fitted, of_numbers):
    seen = fitted.volume_.read(X["scan"].iloc[0])
    assert_array_equal(seen, VolumeReader(shape=8).read(X["scan"].iloc[0]))
    assert of_numbers.volume_ is None
    with pytest.raises(NotFittedError):
        _ = AttentionMixerClassifier().volume_
