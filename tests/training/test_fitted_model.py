from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.inspection import permutation_importance
from sklearn.metrics import log_loss

from skedema import AttentionMixerClassifier, VolumeReader
from skedema._features import features
from skedema.encoders import CNN
from skedema.fusion import CrossAttention

N = 40
READER = VolumeReader(spacing=None, shape=8)


class First(TransformerMixin, BaseEstimator):
    """The first numbers of a scan."""

    def __init__(self, n=1, start=0):
        self.n = n
        self.start = start

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return np.array([np.ravel(each)[self.start : self.start + self.n] for each in X])


@pytest.fixture(scope="module")
def patients():
    """The first number of a scan tells the class, the others nothing."""
    rng = np.random.default_rng(0)
    y = np.arange(N) % 2
    scans = rng.normal(size=(N, 4, 4, 4))
    scans[:, 0, 0, 0] += 4 * y
    X = pd.DataFrame(
        {"age": rng.normal(60, 9, N), "sodium": rng.normal(138, 4, N)},
        index=pd.Index([f"P{k}" for k in range(N)], name="patient"),
    )
    X["scan"] = pd.Series(list(scans), index=X.index, dtype=object)
    X.loc["P3", "scan"] = X.loc["P5", "age"] = None
    return X, y


PARTS = [("tells", First()), ("noise", First(3, start=1))]


def fit(patients, encoder=PARTS, **parameters):
    given = {"image": "scan", "dim": 8, "max_epochs": 30, "lr": 1e-2, "random_state": 0}
    return AttentionMixerClassifier(encoder=encoder, **(given | parameters)).fit(*patients)


@pytest.fixture(scope="module")
def asking(patients):
    return fit(patients, fusion=CrossAttention(query="tokens"))


@pytest.fixture(scope="module")
def pooled(patients):
    return fit(patients)


def test_each_named_part_has_a_row_of_attention(asking, patients):
    X, _ = patients
    rows, whole = asking.attention(X, per_token=True), asking.attention(X)
    assert rows.index.names == ["patient", "token"]
    assert rows.index[:3].tolist() == [("P0", "tells"), ("P0", "noise"), ("P1", "tells")]
    assert list(rows) == list(whole) == ["age", "sodium"]
    assert_allclose(rows.sum(axis=1), 1, rtol=1e-6)
    assert_allclose(rows.groupby("patient", sort=False).mean(), whole, rtol=1e-5)
    assert not np.allclose(rows.xs("tells", level="token"), rows.xs("noise", level="token"))
    missing = pd.DataFrame(rows.attrs["missing"], index=rows.index)
    assert missing.loc["P5", "age"].tolist() == [True, True]
    assert missing["age"].sum() == 2
    assert whole.index.equals(X.index)


def test_a_part_is_asked_with_its_own_columns_alone(asking, patients):
    X, _ = patients
    other = X.copy()
    for name in other.index[X["scan"].notna()]:
        scan = X.loc[name, "scan"].copy()
        scan[0, 0, 0] += 1
        other.at[name, "scan"] = scan
    before, after = (asking.attention(each, per_token=True).unstack() for each in (X, other))
    changed = (before != after).T.groupby(level="token").any().T.loc[X.index]
    assert not changed["noise"].any()
    assert_array_equal(changed["tells"], X["scan"].notna())


def test_regions_without_names_are_numbered(patients):
    X, y = patients
    clf = fit((X, y), CNN(width=4, depth=2), volume=READER, fusion=CrossAttention(query="tokens"))
    rows = clf.attention(X.reset_index(drop=True), per_token=True)
    assert rows.index.names == [None, "token"]
    assert rows.loc[0].index.tolist() == list(range(8))
    clinical = AttentionMixerClassifier(fusion=CrossAttention(query="tokens"), max_epochs=1)
    array = X[["age", "sodium"]].to_numpy()
    assert clinical.fit(array, y).attention(array, per_token=True).index[1] == (1, 0)


def test_a_pooled_query_has_no_rows_a_token(pooled, asking, patients):
    X, _ = patients
    with pytest.raises(ValueError, match=r'CrossAttention\(query="tokens"\), or leave out per_tok'):
        pooled.attention(X, per_token=True)
    for fusion in ("film", CrossAttention(query="tokens", keys="table")):
        with pytest.raises(ValueError, match=r"has no attention.*permutation_importance"):
            fit(patients, fusion=fusion, max_epochs=1).attention(X, per_token=True)


def test_the_part_that_tells_the_class_is_the_important_one(pooled, patients):
    X, y = patients
    pooled.predict_proba(X)
    before = features.n_encoded
    found = pooled.scan_importance(X, y, scoring="roc_auc", random_state=0)
    assert features.n_encoded == before
    assert found.index.tolist() == ["tells", "noise"]
    assert list(found) == ["importance", "std"]
    assert found.loc["tells", "importance"] > 0.3
    assert abs(found.loc["noise", "importance"]) < 0.1
    assert found.attrs["score"] > 0.9
    again = pooled.scan_importance(X, y, scoring="roc_auc", random_state=0)
    pd.testing.assert_frame_equal(found, again)


def test_it_is_the_permutation_importance_of_the_scan_where_there_is_one_part(patients):
    X, y = patients
    everyone = X["scan"].notna()
    X, y = X[everyone], y[everyone]
    clf = fit((X, y), First(4), max_epochs=10)
    ours = clf.scan_importance(X, y, scoring="neg_log_loss", n_repeats=30, random_state=0)
    theirs = permutation_importance(clf, X, y, scoring="neg_log_loss", n_repeats=30, random_state=0)
    k = list(X).index("scan")
    error = np.hypot(ours["std"], theirs.importances_std[k]) / np.sqrt(30)
    assert ours.index.tolist() == ["scan"]
    assert abs(ours["importance"] - theirs.importances_mean[k]).item() < 5 * error.item()
    assert ours.attrs["score"] == pytest.approx(-log_loss(y, clf.predict_proba(X)))


def test_the_default_score_and_a_callable_will_do(pooled, patients):
    X, y = patients
    accuracy = pooled.scan_importance(X, y, n_repeats=2, random_state=0)
    assert accuracy.attrs["score"] == pooled.score(X, y)
    ours = pooled.scan_importance(
        X, y, scoring=lambda clf, X, y: clf.score(X, y), n_repeats=2, random_state=0
    )
    pd.testing.assert_frame_equal(accuracy, ours)
    assert_array_equal(pooled.predict_proba(X), clone(pooled).fit(X, y).predict_proba(X))


def test_what_has_no_parts_to_permute_is_refused(pooled, patients):
    X, y = patients
    with pytest.raises(ValueError, match="1 of 2 patients in X have one, and two are needed"):
        pooled.scan_importance(X.iloc[2:4], y[2:4])
    trained = fit(patients, CNN(width=4, depth=2), volume=READER, max_epochs=1)
    clinical = AttentionMixerClassifier(max_epochs=1).fit(X[["age"]], y)
    for clf, table in ((trained, X), (clinical, X[["age"]])):
        with pytest.raises(ValueError, match=r"this model has none.*permutation_importance"):
            clf.scan_importance(table, y)
