from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import RepeatedStratifiedKFold

from skedema.evaluation import evaluate
from skedema.evaluation.metrics import METRICS

N = 90
RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(N, 3)), columns=["sodium", "glucose", "age"])
X["age"] = 40 + 30 * RNG.random(N)
Y = (X["sodium"] + RNG.normal(size=N) > 0.2).astype(int)
SITE = np.array(["A", "B", "C"])[RNG.integers(0, 3, N)]
FOLDS = RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0)


class OnColumn(LogisticRegression):
    def __init__(self, column=0):
        super().__init__()
        self.column = column

    def fit(self, X, y):
        return super().fit(np.asarray(X)[:, [self.column]], y)

    def predict_proba(self, X):
        return super().predict_proba(np.asarray(X)[:, [self.column]])

    def predict(self, X):
        return (self.predict_proba(X)[:, 1] >= 0.5).astype(int)


MODELS = {"good": OnColumn(0), "bad": OnColumn(1), "prevalence": DummyClassifier()}


@pytest.fixture(scope="module")
def result():
    covariates = {"site": SITE, "age": X["age"]}
    return evaluate(MODELS, X, Y, cv=FOLDS, subgroups=covariates, random_state=0)


def arrays(result, name):
    """Probabilities of shape (repeats, rows)."""
    table = result.predictions
    table = table[table["estimator"] == name]
    return table.pivot(index="repeat", columns="row", values="probability").to_numpy()


def test_subgroups_have_their_sizes_and_figures(result):
    table = result.subgroups("site", n_resamples=50)
    assert len(table) == 3 * 3 * 4
    for site in "ABC":
        mine = site == SITE
        rows = table[(table["subgroup"] == site) & (table["estimator"] == "good")]
        assert (rows["n_rows"] == mine.sum()).all()
        assert (rows["n_positive"] == Y[mine].sum()).all()
        auc = rows.set_index("metric").loc["roc_auc"]
        wanted = np.mean([roc_auc_score(Y[mine], p[mine]) for p in arrays(result, "good")])
        assert auc["pooled"] == pytest.approx(wanted)
        assert auc["low"] <= auc["pooled"] <= auc["high"]


def test_all_patients_in_one_subgroup_are_the_summary(result):
    whole = result.subgroups(np.ones(N), metrics=METRICS, n_resamples=100)
    summary = result.summary(n_resamples=100)
    for column in ("pooled", "low", "high"):
        np.testing.assert_array_equal(whole[column], summary[column])


def test_ages_fall_into_bands(result):
    table = result.subgroups("age", bins=[40, 50, 60, np.inf], n_resamples=20)
    assert table["subgroup"].unique().tolist() == ["[40, 50)", "[50, 60)", "[60, inf)"]
    sizes = table.groupby("subgroup")["n_rows"].first()
    assert sizes["[40, 50)"] == ((X["age"] >= 40) & (X["age"] < 50)).sum()
    assert sizes.sum() == N
    with pytest.raises(ValueError, match=r"lie outside of the bins.*-np.inf"):
        result.subgroups("age", bins=[40, 50])
    with pytest.raises(ValueError, match="that increase"):
        result.subgroups("age", bins=[50, 40])


def test_small_and_one_sided_subgroups_say_so(result):
    by = np.where(np.arange(N) < 5, "few", np.where(Y == 1, "ill", "well")).astype(object)
    by[-1] = None
    table = result.subgroups(by, n_resamples=20)
    few = table[table["subgroup"] == "few"]
    assert (few["n_patients"] == 5).all()
    assert few[["pooled", "low", "high"]].isna().all(axis=None)
    assert (few["note"] == "fewer than 10 patients: no figures").all()
    ill = table[(table["subgroup"] == "ill") & (table["estimator"] == "good")]
    ill = ill.set_index("metric")
    assert np.isnan(ill.loc["roc_auc", "pooled"])
    assert np.isfinite(ill.loc[["recall", "brier"], ["pooled", "low", "high"]]).all(axis=None)
    assert ill["note"].str.startswith("one class only").all()
    assert table["subgroup"].iloc[-1] == "missing"


def test_subgroup_errors_are_named(result):
    with pytest.raises(ValueError, match="Did you mean 'site'"):
        result.subgroups("sites")
    with pytest.raises(ValueError, match="one value a row"):
        result.subgroups([1, 2])


def test_columns_of_the_table_can_be_subgroups():
    result = evaluate(MODELS, X, Y, cv=2, subgroups=["age"])
    np.testing.assert_array_equal(result.covariates["age"], X["age"])
