from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose
from scipy.special import logit
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Perceptron
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from skedema import AttentionMixerClassifier, VolumeReader
from skedema.datasets import make_head_ct_cohort
from skedema.inspection import explain
from skedema.inspection._interval import venn_abers

from ._patients import N, cohort, model, patient


def test_every_form_of_a_row_is_explained_alike():
    X, _ = cohort()
    forms = [X.iloc[[8]], X.iloc[8], X.iloc[8].to_dict()]
    first, *others = [explain(model(), form) for form in forms]
    for other in others:
        pd.testing.assert_frame_equal(other.contributions, first.contributions)
        pd.testing.assert_frame_equal(other.flips, first.flips)
        assert str(other) == str(first)


def test_probability_is_that_of_the_model_and_the_target_the_second_of_two_classes():
    found = explain(model(), patient())
    assert found.probability.index.tolist() == ["edema", "none"]
    assert_allclose(found.probability, model().predict_proba(patient())[0], atol=1e-12)
    assert found.target == "none"
    turned = explain(model(), patient(), target="edema")
    assert_allclose(turned.contributions["log_odds"], -found.contributions["log_odds"])


def test_interval_comes_from_what_the_fit_held_out():
    found, held = explain(model(), patient()), model().held_out_
    p0, p1 = venn_abers(found.probability["edema"], held.proba[:, 0], held.y == "edema")
    row = found.interval.loc["edema"]
    assert_allclose([row["p0"], row["p1"]], [p0, p1])
    assert 0 <= row["low"] < row["high"] <= 1
    # of two classes one is what the other is not
    assert_allclose(
        found.interval.loc["none", ["low", "high"]], 1 - row[["high", "low"]], atol=1e-4
    )
    assert f"{N} training patients" in found.remarks[0]


def test_without_held_out_patients_there_is_no_interval_and_the_remedies_help():
    X, y = cohort()
    single = clone(model()).set_params(n_members=1, max_epochs=2).fit(X[:50], y[:50])
    found = explain(single, patient())
    assert found.interval is None
    assert "n_members=4" in found.remarks[0]
    assert "interval" not in str(found).splitlines()[0]
    assert explain(single, patient(), reference=(X[50:], y[50:])).interval is not None
    several = clone(single).set_params(n_members=4).fit(X[:50], y[:50])
    assert explain(several, patient()).interval is not None


def test_missing_values_are_told_with_what_they_could_change():
    found = explain(model(), patient(sodium=None, gcs=None))
    assert found.missing.index.tolist() == ["sodium", "gcs"]
    assert (found.missing["low"] <= found.missing["middle"]).all()
    width = found.missing["high"] - found.missing["low"]
    assert width["sodium"] > width["gcs"]
    X, y = cohort()
    few = X["sodium"].dropna().index[:3]
    narrow = explain(model(), patient(sodium=None), reference=(X.loc[few], y[:3])).missing
    assert narrow.loc["sodium", "n_values"] == 3
    of_each = [model().predict_proba(patient(sodium=v))[0, 1] for v in X.loc[few, "sodium"]]
    assert narrow.loc["sodium", "middle"] == pytest.approx(np.median(of_each))


def test_nearest_patient_is_the_one_who_is_the_same():
    X, y = cohort()
    found = explain(model(), X.iloc[30], reference=(X, y), n_neighbours=3).neighbours
    assert found["row"].iloc[0] == 30
    assert found["distance"].iloc[0] == pytest.approx(0, abs=1e-9)
    assert found["distance"].is_monotonic_increasing
    assert found["label"].tolist() == y[found["row"]].tolist()
    assert_allclose(found["probability"], model().predict_proba(X.iloc[found["row"]])[:, 1])
    assert explain(model(), patient()).neighbours is None


def test_more_than_two_classes_are_each_against_the_rest():
    X, _ = cohort()
    y = np.where(X["gcs"] < 7, "a", np.where(X["gcs"] < 11, "b", "c"))
    clf = AttentionMixerClassifier(random_state=0, trusted_columns=["gcs"]).fit(X, y)
    found = explain(clf, patient(gcs=15))
    assert found.target == found.probability.idxmax() == clf.predict(patient(gcs=15))[0]
    assert found.interval.index.tolist() == ["a", "b", "c"]
    assert "gcs" in set(found.flips["variable"])
    change = logit(found.of_target) - logit(found.nothing_known)
    assert found.contributions["log_odds"].sum() == pytest.approx(change)
    assert "All classes: a" in str(found)


def test_unusual_values_are_warned_of_once_and_none_that_is_only_tried():
    with pytest.warns(UserWarning, match="1400") as told:
        explain(model(), patient(sodium=1400.0), reference=cohort())
    assert len(told) == 1


def numbers():
    X, y = cohort()
    return X[["sodium", "gcs", "noise"]], y


BOOSTING = HistGradientBoostingClassifier(random_state=0, max_iter=20)
IMPUTED = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression())


@pytest.mark.parametrize("other", [BOOSTING, IMPUTED], ids=["boosting", "pipeline"])
def test_other_classifiers_are_explained_by_the_same_mechanism(other):
    X, y = numbers()
    clf = clone(other).fit(X[:40], y[:40])
    row = {"noise": 0.2, "sodium": 139.0, "gcs": None}
    found = explain(clf, row, reference=(X[40:], y[40:]))
    change = logit(found.of_target) - logit(found.nothing_known)
    assert found.contributions["log_odds"].sum() == pytest.approx(change)
    assert found.contributions.loc["gcs", "log_odds"] == 0
    assert found.interval is not None
    assert found.missing.index.tolist() == ["gcs"]
    assert found.neighbours is None
    for flip in found.flips.itertuples():
        frame = pd.DataFrame([row])[X.columns].astype(float).assign(**{flip.variable: flip.to})
        assert clf.predict(frame)[0] == flip.label != found.probability.idxmax()


def test_contributions_of_an_imputed_linear_model_are_those_of_its_formula():
    # A missing value is the mean: each contributes its coefficient times the distance from it.
    X, y = numbers()
    clf = clone(IMPUTED).fit(X, y)
    row = X.iloc[[2]]
    expected = clf[-1].coef_[0] * clf[:-1].transform(row)[0]
    assert_allclose(explain(clf, row).contributions["log_odds"], expected)


def test_a_pipeline_of_texts_and_one_without_names():
    X, y = cohort()
    tables = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["side"]), (SimpleImputer(), ["sodium"])
    )
    clf = make_pipeline(tables, LogisticRegression()).fit(X, y)
    found = explain(clf, X.iloc[5], reference=(X, y))
    assert found.contributions.loc["noise", "log_odds"] == pytest.approx(0)
    bare = clone(IMPUTED).fit(numbers()[0].to_numpy(), y)
    assert explain(bare, numbers()[0].to_numpy()[2]).contributions.index.tolist() == [0, 1, 2]


def test_a_search_is_explained_as_its_best_and_polars_is_read():
    X, y = numbers()
    search = GridSearchCV(clone(model()), {"max_epochs": [2]}, cv=2).fit(X, y)
    own = explain(search.best_estimator_, X.iloc[4])
    pd.testing.assert_frame_equal(explain(search, X.iloc[4]).contributions, own.contributions)
    clf = clone(BOOSTING).fit(X, y)
    rows, others = pl.from_pandas(X.iloc[[4]]), pl.from_pandas(X)
    found = explain(clf, rows, reference=(others, y))
    expected = explain(clf, X.iloc[4], reference=(X, y))
    pd.testing.assert_frame_equal(found.contributions, expected.contributions)
    pd.testing.assert_frame_equal(found.flips, expected.flips)
    assert_allclose(found.interval, expected.interval)


def test_a_classifier_that_takes_no_missing_values_is_told_and_the_remedy_helps():
    X, y = numbers()
    X = X.fillna(138)
    bare = LogisticRegression().fit(X, y)
    with pytest.raises(ValueError, match="put an imputer before it"):
        explain(bare, X.iloc[0])
    explain(make_pipeline(SimpleImputer(), LogisticRegression()).fit(X, y), X.iloc[0])


def test_probabilities_of_0_and_1_are_explained():
    X, y = numbers()
    forest = RandomForestClassifier(5, random_state=0).fit(X, y)
    found = explain(forest, X.iloc[1])
    assert np.isfinite(found.contributions["log_odds"]).all()


X_, Y_ = cohort()
REFUSED = {
    "class": ({"target": "coma"}, "target='coma' is no class"),
    "pair": ({"reference": X_}, "must be a pair"),
    "label": ({"reference": (X_, np.full(N, "?"))}, "does not know: '\\?'"),
    "length": ({"reference": (X_, Y_[:3])}, "80 rows and y is of shape"),
    "columns": ({"reference": (X_.drop(columns="side"), Y_)}, "no column 'side'"),
    "neighbours": ({"n_neighbours": 0}, "n_neighbours=0"),
    "permutations": ({"n_permutations": 1}, "2 or more"),
}


@pytest.mark.parametrize(("options", "message"), REFUSED.values(), ids=list(REFUSED))
def test_what_cannot_be_used_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        explain(model(), patient(), **options)


def test_models_that_cannot_be_explained_say_so():
    with pytest.raises(NotFittedError):
        explain(AttentionMixerClassifier(), patient())
    with pytest.raises(TypeError, match="no probabilities"):
        explain(Perceptron().fit(np.eye(2), [0, 1]), [1, 0])
    with pytest.raises(ValueError, match="80 rows"):
        explain(model(), cohort()[0])
    with pytest.raises(ValueError, match="no value in 'gcs'"):
        explain(clone(BOOSTING).fit(*numbers()), {"sodium": 1, "noise": 2})


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    drawn = make_head_ct_cohort(14, folder, shape=[16] * 3, spacing=[13] * 3, random_state=0)
    X = drawn.frame[["scan", "age", "gcs", "sex"]]
    X = X.assign(scan=[str(path) for path in X["scan"]])
    clf = AttentionMixerClassifier(image="scan", encoder="cnn", max_epochs=2, random_state=0)
    return clf.set_params(volume=VolumeReader(spacing=13, shape=16)).fit(X, drawn.target), X, drawn


def test_a_scan_is_one_of_the_variables_and_is_encoded_once(scans, monkeypatch):
    clf, X, drawn = scans
    looked = []
    monkeypatch.setattr(
        type(clf), "_look_at", lambda self, X: looked.append(len(X)) or LOOK(self, X)
    )
    found = explain(clf, X.iloc[0])
    assert looked == [1]
    change = logit(found.of_target) - logit(found.nothing_known)
    assert found.contributions["log_odds"].sum() == pytest.approx(change, abs=1e-5)
    assert found.contributions.loc["scan", "log_odds"] != 0
    assert "patient-0001" not in str(found)  # the path may name the patient
    without = clf.predict_proba(X.iloc[[0]].assign(scan=None))
    alone = explain(clf, X.iloc[[0]].assign(scan=None), reference=(X, drawn.target))
    assert_allclose(alone.probability, without[0], atol=1e-6)
    swapped = [X.iloc[[0]].assign(scan=path) for path in X["scan"]]
    of_each = [clf.predict_proba(row)[0, 1] for row in swapped]
    assert alone.missing.loc["scan", "middle"] == pytest.approx(np.median(of_each), abs=1e-5)


def test_a_pipeline_around_scans_shows_no_path(scans):
    clf, X, drawn = scans
    around = make_pipeline(FunctionTransformer(), FrozenEstimator(clf)).fit(X, drawn.target)
    found = explain(around, X.iloc[0])
    assert found.contributions.loc["scan", "value"] == "scan"
    own = explain(clf, X.iloc[0])
    assert_allclose(found.contributions["log_odds"], own.contributions["log_odds"], atol=1e-4)


LOOK = AttentionMixerClassifier._look_at


def test_where_in_the_scan_only_if_asked_and_with_words_where_there_is_none(scans):
    clf, X, _ = scans
    assert explain(clf, X.iloc[0]).scan is None
    found = explain(clf, X.iloc[0], scan=True)
    assert found.scan.relevance.shape == (16, 16, 16)
    assert found.scan.target == found.target
    lacking = explain(clf, X.iloc[0].drop("scan"), scan=True)
    assert lacking.scan is None
    assert any("it is missing" in each for each in lacking.remarks)
    assert any("no scans" in each for each in explain(model(), patient(), scan=True).remarks)


def test_sound_patients_are_explained_without_a_warning():
    X, y = cohort()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for k in range(3):
            explain(model(), X.iloc[k], reference=(X, y))
