from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.pipeline import make_pipeline

from skedema import AttentionMixerClassifier
from skedema.evaluation import evaluate, missing_curve
from skedema.frames.cells import present, rearranged, without

from ._cohort import mixed

RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(90, 4)), columns=["noise", "sodium", "age", "glucose"])
Y = (X["sodium"] + 0.3 * RNG.normal(size=90) > 0).astype(int)
X.loc[::5, "age"] = np.nan
MODELS = {
    "boosting": HistGradientBoostingClassifier(max_iter=15, min_samples_leaf=5, random_state=0),
    "linear": make_pipeline(SimpleImputer(), LogisticRegression()),
}
RANDOM = ["random values", "random variables"]
BY_IMPORTANCE = ["most important first", "least important first"]


class Spy(ClassifierMixin, BaseEstimator):
    """Keeps what it is asked, and says by how much sodium is above 0."""

    asked: list = []  # noqa: RUF012
    fits: list = []  # noqa: RUF012

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.fits.append(X)
        return self

    def predict_proba(self, X):
        self.asked.append(X)
        p = (X["sodium"].fillna(0).to_numpy() > 0) * 0.8 + 0.1
        return np.column_stack([1 - p, p])


@pytest.fixture
def spy():
    Spy.asked, Spy.fits = [], []
    return Spy


def test_y_and_groups_must_be_in_the_order_of_the_rows():
    with pytest.raises(ValueError, match="X and y hold the same row labels in another order"):
        missing_curve(MODELS, X, Y[::-1])
    with pytest.raises(ValueError, match="X and groups hold the same row labels in another order"):
        missing_curve(MODELS, X, Y, groups=X["age"][::-1])


def test_nothing_missing_gives_what_evaluate_gives():
    table = missing_curve(MODELS, X, Y, shares=[0], cv=3, random_state=5)
    wanted = evaluate(MODELS, X, Y, cv=3, random_state=5).per_fold.set_index(["estimator", "fold"])
    assert len(table) == 2 * 4 * 3
    for row in table.itertuples():
        assert row.roc_auc == wanted.loc[(row.estimator, row.fold), "roc_auc"]
        assert row.log_loss == wanted.loc[(row.estimator, row.fold), "log_loss"]
        assert row.removed == 0


def test_shares_remove_exactly_so_many_values():
    shares = [0, 0.25, 0.5, 1]
    table = missing_curve(MODELS, X, Y, shares=shares, cv=3, random_state=0)
    rows = pd.concat([X.iloc[s.test] for s in splits()], keys=range(3))
    for (pattern, share, fold), found in table.groupby(["pattern", "share", "fold"])["removed"]:
        test = rows.loc[fold].notna().to_numpy()
        if pattern == "random values":
            assert (found == np.floor(share * test.sum() + 0.5)).all()
        else:
            columns = test.sum(axis=0)
            n = round(share * 4)
            assert found.between(np.sort(columns)[:n].sum(), np.sort(columns)[4 - n :].sum()).all()
    everything = table[table["share"] == 1]
    np.testing.assert_allclose(everything["roc_auc"], 0.5)  # nothing is left to tell them apart


def splits():
    from skedema.evaluation._splits import draw_splits

    return draw_splits(X, np.asarray(Y == 1), None, 3, 0)


def test_each_classifier_gets_the_same_gaps_and_greater_shares_take_more(spy):
    models = {"first": spy(), "second": spy()}
    missing_curve(models, X, Y, patterns=RANDOM, shares=[0, 0.25, 0.5, 0.75], cv=2, random_state=0)
    asked = [table.isna().to_numpy() for table in spy.asked]
    half = len(asked) // 2
    for ours, theirs in zip(asked[:half], asked[half:], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    # A fold and classifier: nothing missing, three shares of values, three of variables.
    assert len(asked) == 2 * 2 * 7
    for first in range(0, len(asked), 7):
        whole, *others = asked[first : first + 7]
        for group in (others[:3], others[3:]):
            for less, more in zip([whole, *group[:2]], group, strict=True):
                assert (more | ~less).all()
                assert more.sum() > less.sum()
        for lost in others[3:]:
            columns = (lost & ~whole).any(axis=0)
            assert lost[:, columns].all()


def test_training_part_stays_whole_and_each_is_fitted_once_a_fold(spy):
    missing_curve({"spy": spy()}, X, Y, cv=3, shares=[0.5], random_state=0)
    assert len(spy.fits) == 3
    for seen, split in zip(spy.fits, splits(), strict=True):
        pd.testing.assert_frame_equal(seen, X.iloc[split.train])


def test_importance_takes_the_informative_variable_first_and_last():
    shares = [0, 0.25, 0.75, 1]
    table = missing_curve(MODELS, X, Y, patterns=BY_IMPORTANCE, shares=shares, cv=3, random_state=0)
    auc = table.groupby(["estimator", "pattern", "share"])["roc_auc"].mean()
    for name in MODELS:
        most, least = (auc[name][pattern] for pattern in BY_IMPORTANCE)
        assert most[0.25] < 0.7 < 0.9 < least[0.75]
        assert most[0] == least[0]


def test_labels_of_the_test_part_do_not_decide_the_order(spy):
    shuffles = []
    for y in (Y, Y.where(np.arange(90) < 60, 1 - Y)):
        spy.asked = []
        folds = [(np.arange(60), np.arange(60, 90))]
        missing_curve(
            {"spy": spy()}, X, y, patterns=BY_IMPORTANCE, shares=[0.5], cv=folds, random_state=0
        )
        shuffles.append(spy.asked)
    first, second = shuffles
    assert len(first) == len(second) > 20
    for ours, theirs in zip(first, second, strict=True):
        pd.testing.assert_frame_equal(ours, theirs)


def test_columns_and_keep_say_what_may_go(spy):
    for chosen in ({"columns": ["age", "noise"]}, {"keep": ["sodium", "glucose"]}):
        spy.asked = []
        missing_curve({"spy": spy()}, X, Y, shares=[1], patterns="random values", cv=2, **chosen)
        for asked in spy.asked:
            assert asked[["age", "noise"]].isna().all(axis=None)
            assert asked[["sodium", "glucose"]].notna().all(axis=None)


def test_random_patterns_are_drawn_again_and_others_are_not():
    folds = RepeatedStratifiedKFold(n_splits=2, n_repeats=2, random_state=0)
    model = {"linear": MODELS["linear"]}
    table = missing_curve(model, X, Y, shares=[0.5], cv=folds, n_repeats=3, random_state=0)
    counts = table.groupby("pattern")["repeat"].nunique()
    assert counts.to_dict() == {p: 3 for p in RANDOM} | {p: 1 for p in BY_IMPORTANCE}
    assert table["fold"].nunique() == 4
    values = table[table["pattern"] == "random values"]
    assert values.groupby("fold")["log_loss"].nunique().eq(3).all()
    assert table.columns.tolist() == [
        *(
            "estimator",
            "train_share",
            "pattern",
            "share",
            "repeat",
            "fold",
            "removed",
            "roc_auc",
            "log_loss",
        )
    ]


def test_processes_and_other_patterns_change_nothing():
    arguments = {"shares": [0.3], "cv": 2, "random_state": 3}
    wanted = missing_curve(MODELS, X, Y, **arguments)
    found = missing_curve(MODELS, X, Y, n_jobs=2, **arguments)
    pd.testing.assert_frame_equal(found, wanted)
    one = missing_curve(MODELS, X, Y, patterns=["random variables"], **arguments)
    same = wanted[wanted["pattern"] == "random variables"].reset_index(drop=True)
    pd.testing.assert_frame_equal(one, same)


def test_columns_of_any_type_can_be_missing_for_the_classifier():
    table = mixed()
    model = {"mixer": AttentionMixerClassifier(max_epochs=2, random_state=0)}
    arguments = {"shares": [0, 0.4, 1], "cv": 2, "random_state": 0, "trusted_columns": ["flag"]}
    found = missing_curve(model, table, np.arange(60) % 2, **arguments)
    assert found["log_loss"].notna().all()
    everywhere = list(range(7))
    gone = np.zeros((60, 7), dtype=bool)
    gone[::2] = True
    holed = without(table, everywhere, gone)
    np.testing.assert_array_equal(present(holed, everywhere), present(table, everywhere) & ~gone)
    assert holed.dtypes.astype(str).tolist() == [
        *("float64", "float64", str(table["sex"].dtype), "category", "Int64", "object", "float32")
    ]
    for name in table:  # what is left is as it was
        assert holed[name].dropna().tolist() == table[name][1::2].dropna().tolist()
    assert table.loc[0].notna().all()


@pytest.mark.parametrize("kind", ["polars", "array", "objects"])
def test_tables_of_any_kind_lose_the_same_cells(kind):
    plain = X.assign(count=np.arange(90))
    table = {
        "polars": pl.DataFrame(plain.to_dict("list")),
        "array": plain.to_numpy(),
        "objects": plain.to_numpy(dtype=object),
    }[kind]
    if kind == "polars":
        assert without(table, [4], np.ones((90, 1), dtype=bool))["count"].dtype == pl.Int64
    model = {"boosting": MODELS["boosting"]}
    arguments = {"shares": [0, 0.4], "cv": 2, "random_state": 0, "trusted_columns": [4]}
    pd.testing.assert_frame_equal(
        missing_curve(model, table, Y, **arguments), missing_curve(model, plain, Y, **arguments)
    )
    order = np.arange(90)[::-1]
    turned = pd.DataFrame(np.asarray(rearranged(table, np.arange(90), {4: order})))
    assert turned[4].tolist() == list(order)
    assert turned[1].tolist() == plain["sodium"].tolist()


def test_what_cannot_be_done_is_said():
    with pytest.raises(ValueError, match=r"no column 'sodum'\. Did you mean 'sodium'"):
        missing_curve(MODELS, X, Y, keep=["sodum"])
    with pytest.raises(ValueError, match="no column that may go missing"):
        missing_curve(MODELS, X, Y, columns="age", keep="age")
    with pytest.raises(ValueError, match="shares must be numbers from 0 to 1"):
        missing_curve(MODELS, X, Y, shares=[10])
    with pytest.raises(ValueError, match=r"Unknown pattern 'random'\. Did you mean"):
        missing_curve(MODELS, X, Y, patterns=["random"])
    with pytest.raises(ValueError, match="at least one of"):
        missing_curve(MODELS, X, Y, patterns=[])
    with pytest.raises(ValueError, match="n_repeats must be at least 1"):
        missing_curve(MODELS, X, Y, n_repeats=0)
    with pytest.raises(TypeError, match="must be a DataFrame or an array of two axes, got list"):
        missing_curve(MODELS, X.to_numpy().tolist(), Y)
    with pytest.raises(TypeError, match="estimators must be a dict"):
        missing_curve(list(MODELS), X, Y)
    with pytest.raises(ValueError, match="1 group is both trained and tested"):
        missing_curve(MODELS, X, Y, groups=np.arange(90) // 2, cv=[(range(45), range(45, 90))])
    with pytest.raises(ValueError, match="contains NaN") as error:
        missing_curve({"lr": LogisticRegression()}, X, Y, cv=2)
    assert "estimator 'lr' on fold 0 of repeat 0" in error.value.__notes__[0]
