"""Patients of another hospital: fitted on all, tested on them."""

from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from skedema.evaluation import evaluate, validate
from skedema.evaluation.intervals import auc_interval
from skedema.evaluation.metrics import net_benefit
from skedema.evaluation.statistics import delong_test

from ._cohort import PATIENTS, OfNumbers, X, Y

RNG = np.random.default_rng(5)
NEW = pd.DataFrame(RNG.normal(size=(50, 3)), columns=X.columns)
NEW["age"] = 40 + 30 * RNG.random(50)
NEW_Y = (NEW["sodium"] + RNG.normal(size=50) > 0.2).astype(int)
MODELS = {"lr": LogisticRegression(), "prevalence": DummyClassifier()}


@pytest.fixture(scope="module")
def external():
    test = (NEW, NEW_Y)
    return evaluate(MODELS, X, Y, cv=3, test=test, subgroups=["age"], random_state=0).external


def test_each_estimator_is_fitted_on_all_rows_and_tested_on_the_others(external):
    fitted = LogisticRegression().fit(X, Y)
    wanted = fitted.predict_proba(NEW)[:, 1]
    mine = external.predictions[external.predictions["estimator"] == "lr"]
    np.testing.assert_array_equal(mine["probability"], wanted)
    np.testing.assert_array_equal(mine["predicted"], fitted.predict(NEW))
    np.testing.assert_array_equal(mine["label"], NEW_Y)
    np.testing.assert_array_equal(mine["row"], np.arange(50))
    np.testing.assert_array_equal(external.estimators["lr"][0].coef_, fitted.coef_)
    assert external.folds[["n_train", "n_test"]].values.tolist() == [[90, 50]] * 2
    assert external.X.equals(NEW)
    assert external.kind == "external"
    assert "external, 50 rows of 50 patients, positive class 1" in repr(external)


def test_every_table_is_there_and_what_needs_folds_is_nan(external):
    p = external.predictions[external.predictions["estimator"] == "lr"]["probability"].to_numpy()
    summary = external.summary(["roc_auc", "calibration_slope"], n_resamples=50)
    auc = summary.iloc[0]
    assert auc["pooled"] == roc_auc_score(NEW_Y, p)
    assert (auc["low"], auc["high"]) == auc_interval(NEW_Y, p)
    assert summary[["fold_mean", "fold_sd"]].isna().all(axis=None)
    assert (summary["n_folds"] == 0).all()
    compared = external.compare("prevalence", n_resamples=50).iloc[0]
    assert compared["delong_p"] == delong_test(NEW_Y, p, np.full(50, 0.5)).p_value
    assert compared[["fold_difference", "fold_p"]].isna().all()
    assert external.decision_curve([0.3]).loc[0.3, "lr"] == pytest.approx(
        net_benefit(NEW_Y, p, 0.3)
    )
    bands = external.subgroups("age", bins=[40, 55, 70], metrics=["recall"])
    assert bands.groupby("subgroup")["n_rows"].first().sum() == 50
    assert external.per_fold["roc_auc"].iloc[0] == auc["pooled"]
    assert external.table(["roc_auc"]).shape == (2, 1)


def test_the_result_within_is_what_it_was_without():
    whole = evaluate(MODELS, X, Y, cv=3, test=(NEW, NEW_Y), random_state=0)
    alone = evaluate(MODELS, X, Y, cv=3, random_state=0)
    pd.testing.assert_frame_equal(whole.predictions, alone.predictions)
    assert "; 50 external rows" in repr(whole)


def test_validating_the_fitted_is_the_same(external):
    fitted = {name: model.fit(X, Y) for name, model in MODELS.items()}
    found = validate(fitted, NEW, NEW_Y, subgroups=["age"], development=X, random_state=0)
    pd.testing.assert_frame_equal(found.predictions, external.predictions)
    pd.testing.assert_frame_equal(found.summary(n_resamples=50), external.summary(n_resamples=50))
    assert found.estimators["lr"] == [fitted["lr"]]
    one = validate(fitted["lr"], NEW, NEW_Y)
    assert one.names == ["LogisticRegression"]
    assert one.folds["n_train"].isna().all()


def test_patients_with_several_rows_widen_intervals():
    fitted = LogisticRegression().fit(X, Y)
    twice = pd.concat([NEW, NEW + 1e-3], ignore_index=True)
    y, patient = np.tile(NEW_Y, 2), np.tile(np.arange(50), 2)
    once = validate(fitted, NEW, NEW_Y).summary(["accuracy", "roc_auc"])
    rows = validate(fitted, twice, y).summary(["accuracy", "roc_auc"])
    grouped = validate(fitted, twice, y, groups=patient)
    assert "100 rows of 50 patients" in repr(grouped)
    found = grouped.summary(["accuracy", "roc_auc"])
    width, naive, single = (t["high"] - t["low"] for t in (found, rows, once))
    assert (width > 1.2 * naive).all()
    np.testing.assert_allclose(width, single, rtol=0.1)
    with_test = evaluate({"lr": fitted}, X, Y, cv=2, test=(twice, y, patient), random_state=0)
    pd.testing.assert_frame_equal(
        with_test.external.summary(["accuracy", "roc_auc"])[["low", "high"]], found[["low", "high"]]
    )


def test_words_and_positive_class_are_those_of_the_fit():
    words, new = np.where(Y == 1, "edema", "none"), np.where(NEW_Y == 1, "edema", "none")
    arguments = {"pos_label": "edema", "random_state": 0}
    found = evaluate(MODELS, X, words, cv=2, test=(NEW, new), **arguments)
    assert found.external.classes == found.classes == ("none", "edema")
    fitted = LogisticRegression().fit(X, words)
    assert validate(fitted, NEW, new, pos_label="edema").classes == ("none", "edema")


def test_kept_fits_are_not_done_again(tmp_path):
    arguments = {"cv": 2, "random_state": 0, "storage": tmp_path}
    model = {"lr": LogisticRegression()}
    first = evaluate(model, X, Y, test=(NEW, NEW_Y), **arguments)
    names = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*")}
    again = evaluate(model, X, Y, test=(NEW, NEW_Y), **arguments)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*")} == names
    pd.testing.assert_frame_equal(first.external.predictions, again.external.predictions)
    other = evaluate(model, X, Y, test=(NEW + 1, NEW_Y), **arguments)
    assert not other.external.predictions.equals(first.external.predictions)


def test_columns_are_taken_by_name_and_others_refused():
    turned = NEW[NEW.columns[::-1]]
    found = evaluate(MODELS, X, Y, cv=2, test=(turned, NEW_Y), random_state=0)
    wanted = evaluate(MODELS, X, Y, cv=2, test=(NEW, NEW_Y), random_state=0)
    pd.testing.assert_frame_equal(found.external.predictions, wanted.external.predictions)
    tables = pl.DataFrame(X.to_dict("list")), pl.DataFrame(turned.to_dict("list"))
    by_polars = evaluate(MODELS, tables[0], Y, cv=2, test=(tables[1], NEW_Y), random_state=0)
    np.testing.assert_array_equal(
        by_polars.external.predictions["probability"], wanted.external.predictions["probability"]
    )
    other = NEW.rename(columns={"glucose": "sugar"})
    with pytest.raises(ValueError, match=r"not there: 'glucose'; columns .*not have: 'sugar'"):
        evaluate(MODELS, X, Y, test=(other, NEW_Y))
    with pytest.raises(ValueError, match="sugar"):
        validate(LogisticRegression().fit(X, Y), other, NEW_Y)


def test_bad_patients_are_named():
    fitted = LogisticRegression().fit(X, Y)
    with pytest.raises(ValueError, match=r"holds 2, but the models .* classes \[0, 1\]"):
        validate(fitted, NEW, NEW_Y + 1)
    with pytest.raises(ValueError, match="1 row has no label"):
        evaluate(MODELS, X, Y, test=(NEW, NEW_Y.astype(float).where(NEW.index > 0)))
    with pytest.raises(TypeError, match=r"tuple \(X, y\)"):
        evaluate(MODELS, X, Y, test=NEW)
    with pytest.raises(TypeError, match=r"'LogisticRegression'.*is not fitted.*test="):
        validate(LogisticRegression(), NEW, NEW_Y)
    with pytest.raises(TypeError, match="no predict_proba"):
        validate({"folds": [fitted]}, NEW, NEW_Y)
    with pytest.raises(ValueError, match="'b' was fitted on the classes"):
        validate({"a": fitted, "b": LogisticRegression().fit(X, Y + 1)}, NEW, NEW_Y)
    labelled = NEW.set_index(pd.Index([f"P{i}" for i in range(50)]))
    with pytest.raises(ValueError, match="another order"):
        validate(fitted, labelled, pd.Series(NEW_Y.to_numpy(), labelled.index)[::-1])
    with pytest.raises(ValueError, match="'site' has shape"):
        validate(fitted, NEW, NEW_Y, subgroups={"site": [1, 2]})


def test_patients_of_one_class_are_told_of():
    ill = NEW_Y == 1
    with pytest.warns(UserWarning, match="to validate on are of class 1.*Add patients of both"):
        found = validate(LogisticRegression().fit(X, Y), NEW[ill], NEW_Y[ill])
    table = found.summary(["roc_auc", "recall"]).set_index("metric")
    assert np.isnan(table.loc["roc_auc", "pooled"])
    assert table.loc["recall", "low"] < table.loc["recall", "high"]


def test_known_patients_are_warned_of():
    known = pd.concat([NEW[:40], X[:10]], ignore_index=True)
    y = np.r_[NEW_Y[:40], Y[:10]]
    said = r"share with those .*clinical values of 10 patients.*row 0 of X and row 40 of the others"
    with pytest.warns(UserWarning, match=said) as caught:
        evaluate(MODELS, X, Y, cv=2, test=(known, y), random_state=0)
    assert len(caught) == 1
    fitted = LogisticRegression().fit(X, Y)
    with pytest.warns(UserWarning, match=said):
        validate(fitted, known[known.columns[[0, 1, 2]]], y, development=X)
    validate(fitted, known[:40], y[:40], development=X)  # the remedy


def test_names_of_groups_tell_patients_and_counts_do_not():
    fitted, ids = LogisticRegression().fit(X, Y), np.array([f"MRN-{i}" for i in range(50)])
    of_x = np.array([f"MRN-{i + 45}" for i in PATIENTS])
    arguments = {"groups": ids, "development": (X, of_x)}
    with pytest.warns(UserWarning, match="5 groups, such as 'MRN-45'.*names of their own"):
        validate(fitted, NEW, NEW_Y, **arguments)
    own = np.char.add("B ", ids)
    validate(fitted, NEW, NEW_Y, **arguments | {"groups": own})  # the remedy
    validate(fitted, NEW, NEW_Y, groups=np.arange(50), development=(X, PATIENTS))


def test_copies_of_scans_are_known_again(tmp_path):
    for k in range(40):
        np.save(tmp_path / f"{k}.npy", np.full((2, 2, 2), k))
    table = pd.DataFrame({"scan": [str(tmp_path / f"{k}.npy") for k in range(40)]})
    table["sex"] = ["f", "m"] * 20
    shutil.copy(tmp_path / "3.npy", tmp_path / "copy.npy")
    new = table[30:].reset_index(drop=True)
    y = np.arange(40) // 2 % 2
    validate(OfNumbers().fit(table, y), new, y[30:], development=table[:30])
    new.loc[2, "scan"] = str(tmp_path / "copy.npy")
    with pytest.warns(UserWarning, match="scan of column 'scan' of 1 patient, such as in row 3 of"):
        validate(OfNumbers().fit(table, y), new, y[30:], development=table[:30])


def test_figures_at_other_settings_are_those_of_the_others_too():
    whole = evaluate({"model": DummyClassifier()}, X[:60], Y[:60], test=(X[60:], Y[60:]))
    other = dataclasses.replace(whole, specificity=0.5, threshold=0.2)
    assert (other.external.specificity, other.external.threshold) == (0.5, 0.2)
    assert whole.external.specificity == 0.9


@pytest.mark.parametrize("name", ["treat all", "treat none"])
def test_names_of_other_lines_of_a_decision_curve_are_refused(name):
    model = LogisticRegression().fit(X, Y)
    for ask in (evaluate, validate):
        with pytest.raises(ValueError, match=f"cannot be called '{name}'"):
            ask({name: model}, X, Y)


def test_curves_of_a_class_without_patients_are_empty_without_a_word():
    model = LogisticRegression().fit(X, Y)
    with pytest.warns(UserWarning, match="Add patients"):
        result = validate(model, X[Y == 0], Y[Y == 0])
    for display in (result.metrics.roc(n_resamples=5), result.metrics.precision_recall()):
        values = display.frame().query("line == 'curve'").iloc[:, -2:]
        assert values.isna().any(axis=1).all()
