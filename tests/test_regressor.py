"""AttentionMixerRegressor: numbers, intervals, and all that a classifier can."""

from __future__ import annotations

import pickle
import re

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.compose import TransformedTargetRegressor
from sklearn.inspection import permutation_importance
from sklearn.metrics import mean_absolute_error, mean_pinball_loss
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from skorch.callbacks import EpochScoring

import skedema
from skedema import AttentionMixerClassifier, AttentionMixerRegressor
from skedema.inspection import explain, explain_scan

pytestmark = pytest.mark.numerical


def table(n: int = 60, seed: int = 0) -> tuple[pd.DataFrame, pd.Series]:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"age": rng.normal(60, 12, n), "sex": rng.choice(["f", "m"], n)})
    y = 20 + 0.5 * (X["age"] - 60) + 3.0 * (X["sex"] == "f") + rng.normal(0, 1, n)
    X.loc[::9, "age"] = None
    return X, y.rename("volume")


X, Y = table()


def regressor(**parameters: object) -> AttentionMixerRegressor:
    return AttentionMixerRegressor(**({"dim": 8, "max_epochs": 3, "random_state": 0} | parameters))


@pytest.fixture(scope="module")
def fitted() -> AttentionMixerRegressor:
    return regressor(max_epochs=30, dim=16).fit(X, Y)


@pytest.fixture(scope="module")
def quantiles() -> AttentionMixerRegressor:
    return regressor(loss="quantile", max_epochs=5).fit(X, Y)


def test_a_number_is_learned(fitted):
    assert fitted.score(X, Y) > 0.6
    assert fitted.predict(X).shape == (60,)
    assert fitted.predict(X).dtype == np.float64


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", "quantile"])
def test_the_unit_of_y_does_not_matter(loss):
    one = regressor(loss=loss).fit(X, Y)
    other = regressor(loss=loss).fit(X, 1000 * Y - 77)
    # Some hundred steps of float64, each of which rounds.
    assert_allclose(other.predict(X), 1000 * one.predict(X) - 77, rtol=1e-9, atol=1e-6)


def test_each_loss_comes_to_what_it_is_least_for():
    rng = np.random.default_rng(0)
    nothing = pd.DataFrame({"age": np.tile([50.0, 60.0], 75)})
    y = rng.exponential(10, 150)
    found = {
        loss: regressor(
            loss=loss, max_epochs=60, n_members=1, early_stopping=False, lr=0.01, input_dropout=0.0
        )
        .fit(nothing, y)
        .predict(nothing)
        .mean()
        for loss in ("squared_error", "absolute_error", "huber")
    }
    assert found["squared_error"] == pytest.approx(y.mean(), rel=0.05)
    assert found["absolute_error"] == pytest.approx(np.median(y), rel=0.08)
    assert found["absolute_error"] < found["huber"] < found["squared_error"]


def test_quantiles_never_cross_and_the_median_is_predicted(quantiles):
    found = quantiles.predict_quantiles(X)
    assert found.shape == (60, 3)
    assert (np.diff(found, axis=1) >= 0).all()
    assert_array_equal(quantiles.predict(X), found[:, 1])
    # As little trained as can be, outputs cross before they are sorted.
    raw = regressor(loss="quantile", quantiles=np.linspace(0.1, 0.9, 9), max_epochs=1).fit(X, Y)
    assert (np.diff(raw._outputs(X).reshape(60, -1, 9), axis=-1) < 0).any()
    assert (np.diff(raw.predict_quantiles(X), axis=1) >= 0).all()


def test_quantiles_are_those_of_what_is_left_open():
    rng = np.random.default_rng(1)
    age = rng.uniform(-1, 1, (400, 1))
    y = age[:, 0] + rng.normal(0, np.where(age[:, 0] > 0, 1.0, 0.2))
    model = regressor(loss="quantile", quantiles=[0.1, 0.5, 0.9], max_epochs=60, lr=0.01)
    low, _, high = model.set_params(n_members=1).fit(age, y).predict_quantiles(age).T
    assert np.mean((low <= y) & (y <= high)) == pytest.approx(0.8, abs=0.07)
    width = high - low
    assert width[age[:, 0] > 0.3].mean() > 2 * width[age[:, 0] < -0.3].mean()
    better = mean_pinball_loss(y, high, alpha=0.9)
    assert better < mean_pinball_loss(y, np.full(400, np.quantile(y, 0.9)), alpha=0.9)


def test_quantiles_are_there_with_their_loss_alone(fitted):
    assert not hasattr(fitted, "predict_quantiles")
    with pytest.raises(AttributeError, match="predict_quantiles"):
        fitted.predict_quantiles(X)
    assert hasattr(regressor(loss="quantile"), "predict_quantiles")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"quantiles": (0.1, 0.9)}, "must hold 0.5, the median"),
        ({"quantiles": (0.5, 0.1)}, "ascending order"),
        ({"quantiles": (0.5, 1.0)}, "between 0 and 1"),
        ({"quantiles": "all"}, "between 0 and 1"),
        ({"quantiles": ()}, "between 0 and 1"),
    ],
)
def test_quantiles_that_are_none_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        regressor(loss="quantile", **parameters).fit(X, Y)


def test_who_is_watched_decides_nothing_about_the_scale():
    model = regressor(n_members=1, early_stopping=True, validation_fraction=0.25).fit(X, Y)
    held = model.held_out_
    watched = np.isin(Y, held.y)
    assert watched.sum() == len(held.y) == 15
    assert model.target_center_ == pytest.approx(Y[~watched].mean(), rel=1e-12)
    assert model.target_scale_ == pytest.approx(Y[~watched].std(ddof=0), rel=1e-12)
    # Evenly from all of y.
    assert Y[watched].mean() == pytest.approx(Y.mean(), abs=1.5)
    assert_allclose(held.predicted, model.predict(X[watched]))


def test_everyone_is_held_out_by_a_member(fitted, quantiles):
    held = fitted.held_out_
    assert len(fitted.net_.module_.members) == 4
    assert_array_equal(held.y, Y)
    assert 0 < mean_absolute_error(Y, held.predicted) < Y.std()
    assert held.quantiles is None
    assert_array_equal(quantiles.held_out_.quantiles[:, 1], quantiles.held_out_.predicted)
    assert repr(held) == "<HeldOutNumbers: 60 patients>"


def test_training_in_parts_and_further():
    model = regressor(n_members=1, input_dropout=0.0)  # which is drawn anew in each call
    with pytest.raises(AttributeError, match="partial_fit"):
        regressor(early_stopping=True).partial_fit(X, Y)
    for _ in range(3):
        model.partial_fit(X, Y)
    assert len(model.history_) == 3
    whole = regressor(n_members=1, input_dropout=0.0, early_stopping=False).fit(X, Y)
    assert_allclose(model.predict(X), whole.predict(X), rtol=1e-9)
    center = model.target_center_
    model.partial_fit(X[:5], Y[:5] + 100)
    assert model.target_center_ == center

    further = regressor(warm_start=True).fit(X, Y).fit(X, Y)
    assert len(further.history_) == 6
    with pytest.raises(ValueError, match="keeps its loss, 'squared_error'"):
        further.set_params(loss="huber").fit(X, Y)
    assert further.set_params(loss="squared_error").fit(X, Y).n_iter_ == 9


def test_a_checkpoint_is_of_its_loss(tmp_path):
    same = {"checkpoint_dir": tmp_path, "early_stopping": False}
    found = {
        delta: regressor(loss="huber", huber_delta=delta, **same).fit(X, Y).predict(X)
        for delta in (0.1, 1.35)
    }
    assert not np.array_equal(found[0.1], found[1.35])
    assert len([folder for folder in tmp_path.iterdir() if folder.is_dir()]) == 2
    again = regressor(loss="huber", huber_delta=0.1, **same).fit(X, Y)
    assert_array_equal(again.predict(X), found[0.1])


def test_callbacks_see_scaled_numbers():
    scoring = EpochScoring("r2", lower_is_better=False, name="r2")
    model = regressor(
        n_members=1, early_stopping=True, callbacks=[scoring], validation_fraction=0.25
    )
    held = model.fit(X, Y).held_out_
    best = int(np.argmin(model.net_.history[:, "valid_loss"]))
    residual = ((held.y - held.predicted) ** 2).sum() / ((held.y - held.y.mean()) ** 2).sum()
    assert model.net_.history[best, "r2"] == pytest.approx(1 - residual)


BAD = Y.copy()
BAD.iloc[[3, 7]] = np.nan


@pytest.mark.parametrize(
    ("y", "message", "remedy"),
    [
        (BAD, "NaN .* in rows 3, 7", lambda y: (X[y.notna()], y[y.notna()])),
        (Y.map(str), r"numbers as text: pd.to_numeric\(y\)", lambda y: (X, pd.to_numeric(y))),
        (
            Y.map(str).where(X.index != 4, "not done"),
            "no number in row 4: 'not done'",
            lambda y: (
                X[pd.to_numeric(y, errors="coerce").notna()],
                pd.to_numeric(y[pd.to_numeric(y, errors="coerce").notna()]),
            ),
        ),
        (Y > 20, r"y.astype\(float\)", lambda y: (X, y.astype(float))),
        (pd.to_timedelta(Y, unit="h"), "Timedelta", lambda y: (X, y / pd.Timedelta(hours=1))),
        (Y.where(X.index != 4, np.inf), "y contains inf in row 4", None),
        (Y * 0 + 2.5, "y is 2.5 in all patients", None),
        (pd.Series(np.where(X["sex"] == "f", "ill", "well")), "AttentionMixerClassifier", None),
    ],
)
def test_y_that_cannot_be_learned_is_refused_with_a_remedy_that_works(y, message, remedy):
    with pytest.raises(ValueError, match=message):
        regressor().fit(X, y)
    if remedy is not None:
        regressor(max_epochs=1).fit(*remedy(y))


def test_several_numbers_are_for_several_models():
    both = np.column_stack([Y, -Y])
    with pytest.raises(ValueError, match=r"one number a patient.*MultiOutputRegressor"):
        regressor().fit(X, both)
    several = MultiOutputRegressor(regressor(max_epochs=1, image=None)).fit(X[["age"]], both)
    assert several.predict(X[["age"]]).shape == (60, 2)


def test_y_left_in_the_table_is_refused_and_one_that_follows_from_it_is_told():
    with pytest.raises(ValueError, match="is y itself"):
        regressor().fit(X.assign(volume=Y), Y)
    told = X.assign(diameter=(Y + 10) ** (1 / 3), noise=np.arange(60) % 7)
    with pytest.warns(UserWarning, match="'diameter' tells y by itself") as caught:
        regressor(max_epochs=1).fit(told, Y)
    assert "noise" not in str(caught[0].message)
    regressor(max_epochs=1, trusted_columns=["diameter"]).fit(told, Y)


def test_files_give_the_same_predictions_and_no_patients_number(tmp_path, fitted, quantiles):
    for model in (fitted, quantiles):
        path = tmp_path / "model.skedema"
        skedema.save(model, path)
        loaded = skedema.load(path)
        assert_array_equal(loaded.predict(X), model.predict(X))
        assert loaded.held_out_ is None
        assert loaded.net_.kind == model.net_.kind
        folder = tmp_path / model.loss
        model.save_pretrained(folder)
        assert "regression" in (folder / "README.md").read_text(encoding="utf-8")
        again = AttentionMixerRegressor.from_pretrained(folder)
        assert_array_equal(again.predict(X), model.predict(X))
        assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))
    assert_array_equal(loaded.predict_quantiles(X), quantiles.predict_quantiles(X))
    assert loaded.partial_fit(X, Y).n_iter_ == quantiles.n_iter_ + 1


def test_scikit_learns_tools_take_it():
    logarithm = TransformedTargetRegressor(regressor(), func=np.log, inverse_func=np.exp)
    assert (logarithm.fit(X, Y).predict(X) > 0).all()
    pipeline = make_pipeline(FunctionTransformer(), regressor())
    scores = cross_validate(pipeline, X, Y, cv=2, scoring=["r2", "neg_mean_absolute_error"])
    assert np.isfinite(scores["test_r2"]).all()
    search = GridSearchCV(regressor(), {"loss": ["squared_error", "huber"]}, cv=2).fit(X, Y)
    assert np.isfinite(search.best_score_)
    importance = permutation_importance(search.best_estimator_, X, Y, n_repeats=2, random_state=0)
    assert importance.importances_mean.shape == (2,)


def test_what_is_about_classes_says_so(fitted):
    for ask in (explain, explain_scan):
        with pytest.raises(TypeError, match=r"gives no probabilities of classes.*permutation_imp"):
            ask(fitted, X[:1])


def test_it_says_what_it_will_cost_and_what_it_attended_to(fitted):
    assert "fits, each on" in str(regressor().estimate(X, Y, cv=3))
    assert "one fit on" in str(regressor().estimate(X, cv=None))
    assert_allclose(fitted.attention(X).sum(axis=1), 1)
    assert list(fitted.attention(X)) == ["age", "sex"]


def test_a_classifiers_parameters_are_its_own_but_for_what_is_about_the_target():
    ours, theirs = (
        set(kind().get_params()) for kind in (AttentionMixerRegressor, AttentionMixerClassifier)
    )
    assert ours - theirs == {"loss", "huber_delta", "quantiles"}
    assert theirs - ours == {"class_weight"}
    shared = ours & theirs
    given = [kind().get_params() for kind in (AttentionMixerRegressor, AttentionMixerClassifier)]
    assert [given[0][name] for name in shared] == [given[1][name] for name in shared]


def described(kind: type) -> dict[str, str]:
    """Give the types of parameters as the docstring has them."""
    parameters = re.search(r"Parameters\n    -+\n(.*?)\n    Attributes\n", kind.__doc__, re.DOTALL)
    return dict(re.findall(r"^    (\w+) : (.*)$", parameters.group(1), re.MULTILINE))


def test_shared_parameters_are_of_the_same_types():
    ours, theirs = map(described, (AttentionMixerRegressor, AttentionMixerClassifier))
    assert list(ours) == list(AttentionMixerRegressor.__init__.__kwdefaults__)
    assert {name: ours[name] for name in ours if name in theirs} == {
        name: theirs[name] for name in theirs if name in ours
    }
