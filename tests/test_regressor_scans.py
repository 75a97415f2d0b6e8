"""AttentionMixerRegressor with scans, and what else works on patients who have them."""

from __future__ import annotations

import numpy as np
import optuna
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from optuna.distributions import FloatDistribution
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyRegressor
from sklearn.impute import SimpleImputer
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GroupKFold, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import skedema
from skedema import AttentionMixerRegressor, VolumeReader, _checkpoints
from skedema.baselines import ScanFeatures, baselines
from skedema.evaluation import evaluate, missing_curve
from skedema.inspection import ImportanceDisplay, MissingnessDisplay, explain, explain_scan
from skedema.search import CrossValidatedObjective, StudySearchCV

N = 40
PAIR = ["baseline", "followup"]


@pytest.fixture(scope="module")
def cohort() -> tuple[pd.DataFrame, np.ndarray]:
    """Give patients whose number shows in their scans alone; some lack either, and one both."""
    rng = np.random.default_rng(0)
    level = rng.normal(size=N)
    X = pd.DataFrame({"age": rng.normal(60, 9, N)})
    for column, less in zip(PAIR, (5, 7), strict=True):
        scans = [(40 + 10 * v + rng.normal(0, 2, (16, 16, 16))).astype("f4") for v in level]
        X[column] = pd.Series(scans, dtype=object).where(X.index % less != 1, None)
    return X, 20 + 5 * level + rng.normal(0, 0.5, N)


def grey(cells) -> np.ndarray:
    """Describe scans by their mean, and by a number that says nothing."""
    return np.array([[c.mean(), c[0, 0, 0]] for c in cells], dtype=float)


GREY = FunctionTransformer(grey)


def regressor(image="baseline", **params) -> AttentionMixerRegressor:
    given = {"encoder": "cnn", "fine_tune": False, "max_epochs": 2, "n_members": 1} | params
    return AttentionMixerRegressor(
        image=image, volume=VolumeReader(spacing=13, shape=16), dim=8, random_state=0, **given
    )


def one_scan(cohort) -> tuple[pd.DataFrame, np.ndarray]:
    X, y = cohort
    return X.drop(columns="followup"), y


@pytest.fixture(scope="module")
def fitted(cohort) -> AttentionMixerRegressor:
    return regressor(encoder=GREY, max_epochs=80, lr=0.01).fit(*one_scan(cohort))


def test_a_number_is_learned_from_scans(cohort, fitted):
    X, y = one_scan(cohort)
    there = X["baseline"].notna().to_numpy()
    assert fitted.score(X[there], y[there]) > 0.8
    assert fitted.score(X.assign(baseline=None), y) < 0.3
    importance = permutation_importance(fitted, X, y, n_repeats=3, random_state=0)
    found = dict(zip(X, importance.importances_mean, strict=True))
    assert found["baseline"] > 0.5 > abs(found["age"])
    (of_scan,) = fitted.scan_importance(X, y, n_repeats=2, random_state=0)["importance"]
    assert of_scan > 0.5


@pytest.mark.parametrize("fine_tune", [False, True])
@pytest.mark.parametrize("image", ["baseline", PAIR])
def test_any_scan_may_be_missing(cohort, fine_tune, image):
    X, y = cohort if image is PAIR else one_scan(cohort)
    model = regressor(image, fine_tune=fine_tune, loss="quantile", modality_dropout=0.3)
    before = model.fit(X, y).predict_quantiles(X)
    assert (np.diff(before, axis=1) >= 0).all()
    assert len(model.history_) == 2
    for column in PAIR if image is PAIR else [image]:
        without = model.predict_quantiles(X.assign(**{column: None}))
        # A scan counts where it is there, and nowhere else.
        assert_array_equal((without != before).any(axis=1), X[column].notna())
    assert_allclose(model.predict(X.iloc[3]), before[3:4, 1], rtol=1e-5)


def test_a_fixed_encoder_stays_as_it_is_and_a_trained_one_does_not(cohort):
    X, y = one_scan(cohort)

    def weights(fine_tune, epochs):
        model = regressor(fine_tune=fine_tune, max_epochs=epochs, lr=0.01).fit(X, y)
        return model, next(model.encoder_.parameters()).detach().numpy()

    fixed, still = weights(False, 2)
    trained, moved = weights(True, 2)
    assert_array_equal(still, weights(False, 1)[1])
    assert (moved != weights(True, 1)[1]).any()
    for model in (fixed, trained):
        features = model.image_features(X)
        assert features.shape == (N, model.dim)
        there = X["baseline"].notna().to_numpy()
        # A missing scan has one embedding for all.
        assert len(np.unique(features[~there], axis=0)) == 1
        assert len(np.unique(features[there], axis=0)) == there.sum()


@pytest.mark.parametrize("fine_tune", [False, True])
def test_files_hold_the_encoder_and_the_reader(cohort, tmp_path, fine_tune):
    X, y = cohort
    model = regressor(PAIR, fine_tune=fine_tune, loss="quantile").fit(X, y)
    skedema.save(model, tmp_path / "model.skedema")
    loaded = skedema.load(tmp_path / "model.skedema")
    assert_array_equal(loaded.predict_quantiles(X), model.predict_quantiles(X))
    assert_array_equal(loaded.image_features(X), model.image_features(X))
    assert loaded.volume_.shape == model.volume_.shape


@pytest.mark.parametrize("fine_tune", [False, True])
def test_a_fit_goes_on_from_its_checkpoint(cohort, tmp_path, fine_tune, monkeypatch):
    monkeypatch.setattr(_checkpoints, "_FIRST", 0.0)
    monkeypatch.setattr(_checkpoints, "_SHARE", np.inf)  # whatever may be kept is
    X, y = one_scan(cohort)
    model = regressor(fine_tune=fine_tune, max_epochs=5, loss="quantile", checkpoint_dir=tmp_path)
    whole = clone(model).set_params(checkpoint_dir=None).fit(X, y)
    save, saved = _checkpoints.Checkpoints.save, []

    def killed_once(self, state):
        save(self, state)
        saved.append(len(state["history"]))
        if saved.count(3) == 1 and saved[-1] == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_checkpoints.Checkpoints, "save", killed_once)
        with pytest.raises(KeyboardInterrupt):
            clone(model).fit(X, y)
        n_before = len(saved)
        again = model.fit(X, y)
    assert min(saved[n_before:]) >= 3  # nothing was trained twice
    assert_array_equal(again.predict_quantiles(X), whole.predict_quantiles(X))
    assert again.target_scale_ == whole.target_scale_


RATES = {"lr": FloatDistribution(1e-4, 0.03, log=True)}


@pytest.mark.parametrize("scoring", [None, "neg_mean_absolute_error"])
def test_a_search_looks_for_the_better_score(cohort, scoring):
    X, y = one_scan(cohort)
    model = regressor(encoder=GREY, max_epochs=15)
    objective = CrossValidatedObjective(model, X, y, RATES, scoring=scoring, cv=2)
    study = optuna.create_study(direction="maximize")
    for lr in (1e-4, 0.03):
        study.enqueue_trial({"lr": lr})
    study.optimize(objective, n_trials=2)
    low, high = (trial.value for trial in study.trials)
    assert high > low
    assert study.best_params == {"lr": 0.03}
    expected = cross_val_score(model.set_params(lr=0.03), X, y, scoring=scoring, cv=2)
    assert_allclose(high, expected.mean())
    wrong = optuna.create_study(direction="minimize")
    with pytest.raises(ValueError, match="direction='maximize'"):
        wrong.optimize(objective, n_trials=1)


def test_a_study_search_ends_with_the_best(cohort):
    X, y = one_scan(cohort)
    model = regressor(encoder=GREY, max_epochs=10, loss="quantile")
    search = StudySearchCV(model, RATES, n_trials=3, cv=2, random_state=0).fit(X, y)
    assert search.best_score_ == max(search.cv_results_["mean_test_score"])
    assert_array_equal(search.predict(X), search.best_estimator_.predict(X))
    assert search.score(X, y) == pytest.approx(search.best_estimator_.score(X, y))


def test_a_logarithm_is_learned_from_scans(cohort):
    X, y = one_scan(cohort)
    volume = np.exp(y / 8)
    inner = regressor(encoder=GREY, max_epochs=60, lr=0.01)
    model = TransformedTargetRegressor(inner, func=np.log, inverse_func=np.exp).fit(X, volume)
    assert_allclose(model.predict(X), np.exp(model.regressor_.predict(X)))
    there = X["baseline"].notna().to_numpy()
    assert model.score(X[there], volume[there]) > 0.6


def test_groups_stay_whole_and_scales_are_learned_within_folds(cohort):
    X, y = one_scan(cohort)
    patient = np.arange(N) // 2
    scores = cross_validate(
        regressor(), X, y, cv=GroupKFold(4), groups=patient, return_indices=True,
        return_estimator=True,
    )  # fmt: skip
    assert np.isfinite(scores["test_score"]).all()
    for train, test in zip(*scores["indices"].values(), strict=True):
        assert not set(patient[train]) & set(patient[test])
    centers = [each.target_center_ for each in scores["estimator"]]
    assert_allclose(centers, [y[train].mean() for train in scores["indices"]["train"]])


def test_what_is_told_of_classes_is_refused_with_what_there_is_of_numbers(cohort, fitted):
    X, y = one_scan(cohort)
    for ask in (
        lambda: explain(fitted, X.iloc[0]),
        lambda: explain_scan(fitted, X.iloc[0]),
        lambda: explain(make_pipeline(FunctionTransformer(), DummyRegressor()).fit(X, y), X[:1]),
    ):
        with pytest.raises(
            TypeError, match="gives no probabilities of classes: it predicts a number"
        ):
            ask()
    with pytest.raises(TypeError, match=r"of classifiers.*MissingnessDisplay\.from_estimator"):
        missing_curve({"m": fitted}, X, y)
    with pytest.raises(TypeError, match=r"AttentionMixerRegressor predicts a number.*ScanFeatures"):
        baselines(fitted, X)
    # What these say instead.
    importance = ImportanceDisplay.from_estimator(fitted, X, y, together=None, n_repeats=2)
    assert importance.frame()["variables"][0] == "baseline"
    costs = MissingnessDisplay.from_estimator(fitted, X, y).costs
    assert costs["variable"][0] == "baseline"
    assert costs["low"][0] > 0
    assert fitted.attention(X).shape == (N, 1)
    assert regressor(loss="quantile").fit(X, y).predict_quantiles(X).shape == (N, 3)
    behind = make_pipeline(
        ScanFeatures(image="baseline", encoder=GREY), SimpleImputer(), LinearRegression()
    )
    result = evaluate({"behind": behind, "mean": DummyRegressor()}, X, y, cv=2, random_state=0)
    assert result.compare("mean", n_resamples=50)["high"][0] < 0
