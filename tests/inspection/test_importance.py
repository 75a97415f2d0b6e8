from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import log_loss, mean_absolute_error, roc_auc_score

from skedema.evaluation import evaluate
from skedema.inspection import ImportanceDisplay


def test_one_by_one_it_is_that_of_scikit_learn(logistic, patients):
    table, labels = patients[0][1::2], patients[1][1::2]
    ours = ImportanceDisplay.from_estimator(logistic, table, labels, together=None, n_repeats=60)
    theirs = permutation_importance(
        logistic, table, labels, scoring="roc_auc", n_repeats=60, random_state=1
    )
    frame = ours.frame().set_index("variables").loc[table.columns]
    far = 4 * np.hypot(frame["std"], theirs.importances_std) / np.sqrt(60)
    assert (np.abs(frame["importance"] - theirs.importances_mean) <= far + 1e-12).all()
    proba = logistic.predict_proba(table)[:, 0]
    assert ours.score == pytest.approx(roc_auc_score(labels == "edema", proba))


def test_variables_that_tell_the_same_are_permuted_together(logistic, patients):
    table, labels = patients[0][1::2], patients[1][1::2]
    display = ImportanceDisplay.from_estimator(logistic, table, labels)
    frame = display.frame()
    assert frame["variables"][0] == "sodium + osmolality"
    assert frame["columns"][0] == ("sodium", "osmolality")
    assert frame["columns"].map(len).tolist() == [2, 1, 1]
    apart = ImportanceDisplay.from_estimator(logistic, table, labels, together=None).frame()
    assert frame["importance"][0] > 1.2 * apart["importance"].max()
    named = {"chemistry": ["sodium", "noise"]}
    by_name = ImportanceDisplay.from_estimator(logistic, table, labels, together=named).frame()
    assert set(by_name["variables"]) == {"chemistry", "osmolality", "age"}
    with pytest.raises(ValueError, match=r"sodum.*sodium"):
        ImportanceDisplay.from_estimator(logistic, table, labels, together={"a": ["sodum"]})


def test_log_loss_grows(logistic, patients):
    table, labels = patients[0][1::2], patients[1][1::2]
    display = ImportanceDisplay.from_estimator(logistic, table, labels, scoring="log_loss")
    assert display.score == pytest.approx(log_loss(labels, logistic.predict_proba(table)))
    assert display.frame()["importance"][0] > 0
    assert "Growth of log loss" in display.description


def test_interval_holds_the_drop_of_other_patients(patients):
    # The drop of a fixed model on a large sample is in the intervals of most small ones.
    rng = np.random.default_rng(3)
    x = rng.normal(size=(20_000, 2))
    y = (x[:, 0] + rng.normal(size=len(x)) > 0).astype(int)
    clf = LogisticRegression().fit(x[:500], y[:500])
    options = {"together": None, "n_repeats": 5}
    truth = ImportanceDisplay.from_estimator(clf, x[500:8000], y[500:8000], **options)
    expected = truth.frame().set_index("variables")["importance"]["0"]
    held = 0
    for start in range(8000, 20_000, 120):
        part = slice(start, start + 120)
        frame = ImportanceDisplay.from_estimator(clf, x[part], y[part], **options).frame()
        row = frame.set_index("variables").loc["0"]
        held += row["low"] <= expected <= row["high"]
    assert 0.88 <= held / 100 <= 1


def test_out_of_fold_is_asked_of_the_models_that_did_not_see(patients):
    table, labels = patients
    result = evaluate({"lr": LogisticRegression(max_iter=1000)}, table, labels, random_state=0)
    display = result.inspection.permutation_importance("lr", n_repeats=3)
    (pooled,) = result.summary(["roc_auc"], n_resamples=5)["pooled"]
    assert display.score == pytest.approx(pooled)
    assert display.frame()["variables"][0] == "sodium + osmolality"
    tested = np.concatenate([model.rows for model in result.inspection.fold_models()])
    assert sorted(tested) == list(range(120))
    with pytest.raises(ValueError, match="no estimator 'rl'"):
        result.inspection.permutation_importance("rl")
    bare = evaluate({"lr": LogisticRegression()}, table, labels, return_estimator=False)
    with pytest.raises(ValueError, match="return_estimator=True"):
        bare.inspection.permutation_importance()


def test_figure_shows_the_frame(logistic, patients):
    table, labels = patients[0][1::2], patients[1][1::2]
    display = ImportanceDisplay.from_estimator(logistic, table, labels).plot(n_shown=2)
    (container,) = display.ax_.containers
    frame = display.frame().head(2)
    np.testing.assert_array_equal(container.lines[0].get_xdata(), frame["importance"])
    shown = [tick.get_text() for tick in display.ax_.get_yticklabels()]
    assert shown == frame["variables"].tolist()
    assert f"from {display.score:.3f}" in display.ax_.get_xlabel()


@pytest.mark.parametrize("kind", ["polars", "array"])
def test_tables_of_any_kind_give_the_same(logistic, patients, kind):
    table, labels = patients[0][1::2], patients[1][1::2]
    model = LogisticRegression(max_iter=1000).fit(table.to_numpy(), labels)
    other = table.to_numpy()
    if kind == "polars":
        pytest.importorskip("polars")
        model = LogisticRegression(max_iter=1000).fit(table, labels)
        import polars as pl

        other = pl.DataFrame({name: table[name].to_numpy() for name in table})
    found = ImportanceDisplay.from_estimator(model, other, labels).frame()
    if kind == "array":
        table = pd.DataFrame(table.to_numpy())
        model = LogisticRegression(max_iter=1000).fit(table.to_numpy(), labels)
        expected = ImportanceDisplay.from_estimator(model, table.to_numpy(), labels).frame()
    else:
        expected = ImportanceDisplay.from_estimator(model, table, labels).frame()
    np.testing.assert_allclose(found["importance"], expected["importance"])


def test_what_cannot_be_asked_is_refused(logistic, patients):
    table, labels = patients
    with pytest.raises(ValueError, match="no scoring 'auc'"):
        ImportanceDisplay.from_estimator(logistic, table, labels, scoring="auc")
    with pytest.raises(ValueError, match="no training patient had"):
        ImportanceDisplay.from_estimator(logistic, table, ["x"] * 120)
    with pytest.raises(ValueError, match="needs held-out patients of every class"):
        ImportanceDisplay.from_estimator(logistic, table, ["none"] * 120)
    with pytest.raises(ValueError, match="one array of rows for each"):
        ImportanceDisplay.from_estimators([logistic], table, labels, [])
    with pytest.raises(ValueError, match="n_repeats must be at least 2"):
        ImportanceDisplay.from_estimator(logistic, table, labels, n_repeats=1)


def test_what_no_patient_tells_has_no_interval():
    # Six of each class, told apart without an error: nothing hangs on the second variable.
    X = pd.DataFrame({"a": np.r_[np.zeros(6), np.ones(6)], "b": np.tile([0.0, 1.0], 6)})
    y = np.repeat([0, 1], 6)
    clf = LogisticRegression().fit(X, y)
    display = ImportanceDisplay.from_estimator(clf, X, y, together=None)
    frame = display.frame().set_index("variables")
    assert frame.loc["a", "low"] < frame.loc["a", "importance"] < frame.loc["a", "high"]
    assert frame.loc["b", ["low", "high"]].isna().all()
    assert display.description.endswith("b 0.000.")
    display.plot()


def test_lists_groups_of_any_kind_and_folds_of_one_row(patients):
    table, labels = patients
    groups = np.array([k // 2 if k % 4 else f"P{k}" for k in range(120)], dtype=object)
    models = {"lr": LogisticRegression(max_iter=1000)}
    result = evaluate(models, table.to_numpy().tolist(), labels, random_state=0)
    assert len(result.inspection.permutation_importance(n_repeats=2).frame()) == 3
    clf = LogisticRegression(max_iter=1000).fit(table, labels)
    same = np.unique(groups.astype(str), return_inverse=True)[1]
    found = [
        ImportanceDisplay.from_estimator(clf, table, labels, groups=each).frame()
        for each in (groups, same)
    ]
    pd.testing.assert_frame_equal(*found)
    with pytest.raises(ValueError, match=r"one such row: take folds of several rows, such as cv=5"):
        ImportanceDisplay.from_estimators([clf], table, labels, [[3]])


@pytest.fixture(scope="module")
def numbers():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(120, 3)), columns=["age", "sodium", "gcs"])
    return X, 10 + 3 * X["age"] + X["sodium"] + rng.normal(0, 0.5, 120)


def test_of_a_regressor_it_is_the_growth_of_the_absolute_error(numbers):
    X, y = numbers
    model = LinearRegression().fit(X[:60], y[:60])
    ours = ImportanceDisplay.from_estimator(model, X[60:], y[60:], together=None, n_repeats=60)
    theirs = permutation_importance(
        model, X[60:], y[60:], scoring="neg_mean_absolute_error", n_repeats=60, random_state=1
    )
    frame = ours.frame().set_index("variables").loc[X.columns]
    far = 4 * np.hypot(frame["std"], theirs.importances_std) / np.sqrt(60)
    assert (np.abs(frame["importance"] - theirs.importances_mean) <= far + 1e-12).all()
    assert ours.score == pytest.approx(mean_absolute_error(y[60:], model.predict(X[60:])))
    assert (frame["low"] < frame["importance"])[["age", "sodium"]].all()
    assert frame["low"]["sodium"] > 0
    assert "Growth of MAE" in ours.description
    with pytest.raises(ValueError, match="no scoring 'roc_auc' of numbers"):
        ImportanceDisplay.from_estimator(model, X, y, scoring="roc_auc")


def test_of_regressors_of_an_evaluation_the_score_is_out_of_fold(numbers):
    X, y = numbers
    result = evaluate({"m": LinearRegression()}, X, y, random_state=0)
    found = result.inspection.permutation_importance(n_repeats=2)
    (expected,) = result.summary(["mae"], n_resamples=20)["pooled"]
    assert found.score == pytest.approx(expected)
    assert found.frame()["variables"][0] == "age"
