"""scikit-learn's tools around the classifier, each on one small table with a scan column."""

from __future__ import annotations

import math
import os
import pickle
import random
import shutil
import signal
from functools import partial
from pathlib import Path

import joblib
import nibabel as nib
import numpy as np
import optuna
import pandas as pd
import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    validation_curve,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.class_weight import compute_class_weight
from skorch.callbacks import Callback

from skedema import AttentionMixerClassifier, VolumeReader
from skedema._features import features
from skedema.encoders import CNN
from skedema.fusion import Concat, CrossAttention
from skedema.scans.cache import volumes

N, SIDE = 48, 12
TWO_FOLDS, THREE_FOLDS = (StratifiedKFold(n, shuffle=True, random_state=0) for n in (2, 3))
CLINICAL = ["sodium", "noise", "sex", "anticoagulated"]


def make_cohort(n: int, seed: int) -> tuple[pd.DataFrame, pd.Series]:
    """Make patients whose outcome hangs on sodium and on a dark region of the scan."""
    rng = np.random.default_rng(seed)
    lesion, sodium = rng.normal(size=(2, n))
    outcome = 1.5 * lesion + 1.5 * sodium + 0.3 * rng.normal(size=n) > 0
    scans = np.empty(n, dtype=object)
    for patient in range(n):
        hu = 40 + rng.normal(0, 3, (SIDE, SIDE, SIDE))
        hu[3:9, 3:9, 3:9] -= 8 + 8 * lesion[patient]
        scans[patient] = np.round(hu).astype(np.int16)
    X = pd.DataFrame(
        {
            "sodium": 138 + 5 * sodium,
            "scan": scans,
            "noise": rng.normal(size=n),
            "sex": rng.choice(["f", "m"], n),
            "anticoagulated": rng.choice([True, False], n).astype(object),
        },
        index=[f"P{patient:03d}" for patient in range(n)],
    )
    for first, step, column in (
        (0, 9, "sodium"),
        (5, 10, "scan"),
        (3, 11, "sex"),
        (4, 13, "anticoagulated"),
    ):
        X.iloc[first::step, X.columns.get_loc(column)] = None
    return X, pd.Series(outcome.astype(int), index=X.index, name="edema")


def classifier(**parameters: object) -> AttentionMixerClassifier:
    defaults = {
        "image": "scan",
        "encoder": CNN(width=4, depth=2),
        # Arrays of SIDE voxels a side are on the grid already.
        "volume": VolumeReader(spacing=None, shape=SIDE),
        "dim": 16,
        "max_epochs": 8,
        "lr": 1e-2,
        "weight_decay": 1.0,  # probabilities that are not driven to 0 and 1
        # One network from which nothing is hidden, whose weights equal repeated rows.
        "n_members": 1,
        "input_dropout": 0.0,
        "random_state": 0,
    }
    return AttentionMixerClassifier(**(defaults | parameters))


def clinical_only(**parameters: object) -> AttentionMixerClassifier:
    return classifier(image=None, **parameters)


def flatten(batch: np.ndarray) -> np.ndarray:
    return batch.reshape(len(batch), -1)


def scan_components() -> object:
    """Make a scikit-learn transformer from scans to features."""
    reader = VolumeReader(spacing=None, shape=6)
    return make_pipeline(reader, FunctionTransformer(flatten), PCA(3, random_state=0))


def in_polars(X: pd.DataFrame) -> pl.DataFrame:
    return pl.DataFrame({name: [None if pd.isna(v) else v for v in X[name]] for name in X})


def auc(clf: object, X: object, y: object) -> float:
    return roc_auc_score(y, clf.predict_proba(X)[:, 1])


@pytest.fixture(scope="module")
def cohort():
    return make_cohort(N, seed=0)


@pytest.fixture(scope="module")
def held_out():
    return make_cohort(96, seed=1)


@pytest.fixture(scope="module")
def on_disk(cohort, tmp_path_factory):
    """Give the cohort with its scans in NIfTI files."""
    X, y = cohort
    folder = tmp_path_factory.mktemp("scans")
    return X.assign(scan=[write(hu, folder / f"{i}.nii.gz") for i, hu in X["scan"].items()]), y


def write(hu: np.ndarray | None, path: Path) -> str | None:
    if hu is None:
        return None
    nib.save(nib.Nifti1Image(hu, np.eye(4)), path)
    return str(path)


@pytest.fixture(scope="module")
def fitted(cohort):
    return classifier(max_epochs=20, lr=5e-3).fit(*cohort)


@pytest.mark.parametrize("name", ["y", "sample_weight"])
@pytest.mark.parametrize("method", ["fit", "partial_fit", "score"])
def test_what_comes_beside_X_must_be_in_the_order_of_its_rows(cohort, fitted, method, name):
    X, y = cohort
    beside = {"y": y, "sample_weight": pd.Series(1.0, index=X.index)}
    beside[name] = beside[name][::-1]
    if method == "partial_fit":
        beside["classes"] = [0, 1]
    clf = fitted if method == "score" else classifier()
    with pytest.raises(ValueError, match=f"X and {name} hold the same row labels in another order"):
        getattr(clf, method)(X, **beside)


def test_score_is_the_accuracy(cohort, fitted):
    X, y = cohort
    right = (fitted.predict(X) == y).to_numpy()
    weight = np.arange(len(y))
    assert fitted.score(X, y) == right.mean()
    assert fitted.score(X, y.to_numpy()) == right.mean()
    assert fitted.score(X, y, weight) == pytest.approx(np.average(right, weights=weight))


def test_a_fit_warns_once_of_columns_that_may_leak(cohort):
    X, y = cohort
    leaking = X.assign(outcome=np.where(y, "yes", "no"), mrn=np.arange(len(X)))
    clf = classifier(max_epochs=1)
    with pytest.warns(UserWarning, match=r"column 'outcome' .*column 'mrn' ") as caught:
        clf.fit(leaking, y)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    clf.fit(leaking.drop(columns=["outcome", "mrn"]), y)
    clf.set_params(trusted_columns=["outcome", "mrn"]).fit(leaking, y)
    with pytest.raises(ValueError, match=r"trusted_columns='outcomes'.*'outcome'"):
        clf.set_params(trusted_columns=["outcomes"]).fit(leaking, y)


def test_partial_fit_warns_of_leaks_in_its_first_call_only(cohort):
    X, y = cohort
    leaking = X.assign(mrn=np.arange(len(X)))
    clf = classifier()
    with pytest.warns(UserWarning, match="column 'mrn'"):
        clf.partial_fit(leaking, y, classes=[0, 1])
    clf.partial_fit(leaking, y)


# Searches


def test_grid_search_over_fusion_and_refiner(cohort):
    grid = {"fusion": ["cross_attention", "concat"], "refiner": ["mixer", None]}
    start = classifier(max_epochs=5)
    search = GridSearchCV(start, grid, cv=TWO_FOLDS, scoring="neg_log_loss").fit(*cohort)
    scores = search.cv_results_["mean_test_score"]
    assert len(set(scores)) == 4  # every setting made a model of its own
    last = search.cv_results_["params"].index({"fusion": "concat", "refiner": None})
    alone = clone(start).set_params(fusion="concat", refiner=None)
    by_hand = cross_val_score(alone, *cohort, cv=TWO_FOLDS, scoring="neg_log_loss")
    assert scores[last] == by_hand.mean()
    assert search.best_score_ == scores.max() > -np.log(2)
    best = clone(start).set_params(**search.best_params_).fit(*cohort)
    assert_array_equal(search.predict_proba(cohort[0]), best.predict_proba(cohort[0]))


def test_grid_search_over_nested_parameters(cohort):
    grid = {
        "encoder__width": [2, 4],
        "fusion__query": ["pooled", "tokens"],
        "volume__shape": [6, SIDE],
    }
    start = classifier(encoder=CNN(depth=2), fusion=CrossAttention(), max_epochs=3)
    search = GridSearchCV(start, grid, cv=TWO_FOLDS, scoring="neg_log_loss").fit(*cohort)
    assert len(set(search.cv_results_["mean_test_score"])) == 8
    network, chosen = search.best_estimator_.net_.module_, search.best_params_
    assert network.encoder.stages[0].out_channels == chosen["encoder__width"]
    assert network.fusion.pooled == (chosen["fusion__query"] == "pooled")
    n_cells = math.ceil(chosen["volume__shape"] / 4) ** 3  # two stages, each halves the grid
    n_queries = 1 if network.fusion.pooled else n_cells
    assert network.fusion.n_tokens == n_queries + len(CLINICAL)
    assert start.encoder.width == CNN().width  # the search left the given object alone


def test_grid_search_over_encoders_by_name_and_object(cohort):
    grid = {"encoder": ["cnn", CNN(width=2, depth=2), scan_components()]}
    start = classifier(max_epochs=3)
    search = GridSearchCV(start, grid, cv=TWO_FOLDS, scoring="neg_log_loss").fit(*cohort)
    scores = search.cv_results_["mean_test_score"]
    assert len(set(scores)) == 3
    for encoder, score in zip(grid["encoder"], scores, strict=True):
        alone = clone(start).set_params(encoder=encoder)
        by_hand = cross_val_score(alone, *cohort, cv=TWO_FOLDS, scoring="neg_log_loss")
        assert score == by_hand.mean()
    assert not hasattr(grid["encoder"][2][-1], "components_")  # fitted in copies, fold by fold


def test_nested_parameter_of_a_name_says_what_to_give_instead(cohort):
    with pytest.raises(ValueError, match=r"encoder__width.*encoder=skedema\.encoders\.CNN\(\)"):
        GridSearchCV(classifier(encoder="cnn"), {"encoder__width": [2, 4]}).fit(*cohort)


@pytest.mark.slow
def test_processes_give_the_results_of_one_process(on_disk):
    X, y = on_disk
    grid = {"fusion": ["cross_attention", Concat()], "encoder__width": [2, 4]}
    alone, spread = (
        GridSearchCV(classifier(), grid, cv=THREE_FOLDS, scoring="neg_log_loss", n_jobs=n_jobs)
        for n_jobs in (None, 2)
    )
    alone.fit(X, y)
    spread.fit(X, y)
    for fold in range(3):
        name = f"split{fold}_test_score"
        assert_array_equal(alone.cv_results_[name], spread.cv_results_[name])
    assert_array_equal(alone.predict_proba(X), spread.predict_proba(X))

    scoring = ["accuracy", "precision", "f1", "roc_auc"]
    scores, again = (
        cross_validate(classifier(), X, y, cv=THREE_FOLDS, scoring=scoring, n_jobs=n_jobs)
        for n_jobs in (None, 2)
    )
    for name in scoring:
        assert_array_equal(scores[f"test_{name}"], again[f"test_{name}"])
    assert scores["test_roc_auc"].mean() > 0.7


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_optuna_prunes_hopeless_trials_after_a_fold(cohort):
    X, y = cohort
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(trial: optuna.Trial) -> float:
        clf = classifier(
            lr=trial.suggest_float("lr", 1e-9, 1.0, log=True),
            fusion=trial.suggest_categorical("fusion", ["cross_attention", "concat"]),
        )
        losses = []
        for fold, (train, test) in enumerate(THREE_FOLDS.split(X, y)):
            clf.fit(X.iloc[train], y.iloc[train])
            losses.append(log_loss(y.iloc[test], clf.predict_proba(X.iloc[test])))
            trial.report(float(np.mean(losses)), fold)
            if trial.should_prune():
                raise optuna.TrialPruned
        return float(np.mean(losses))

    pruner = optuna.pruners.MedianPruner(n_startup_trials=1, n_warmup_steps=0)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0), pruner=pruner)
    for lr in (1e-2, 1e-9):
        study.enqueue_trial({"lr": lr, "fusion": "cross_attention"})
    study.optimize(objective, n_trials=2)
    good, hopeless = study.trials
    assert (good.state.name, hopeless.state.name) == ("COMPLETE", "PRUNED")
    assert (len(good.intermediate_values), len(hopeless.intermediate_values)) == (3, 1)
    assert study.best_params == {"lr": 1e-2, "fusion": "cross_attention"}


# Pipelines and ensembles


def test_pipeline_that_drops_a_column(cohort):
    X, y = cohort
    drop = FunctionTransformer(lambda table: table.drop(columns="noise"))
    pipeline = make_pipeline(drop, classifier()).set_output(transform="pandas")
    pipeline.set_params(attentionmixerclassifier__fusion="concat").fit(X, y)
    without = X.drop(columns="noise")
    direct = classifier(fusion="concat").fit(without, y)
    assert_array_equal(pipeline.predict_proba(X), direct.predict_proba(without))
    assert pipeline[-1].feature_names_in_.tolist() == without.columns.tolist()


def test_pipeline_whose_imputer_hands_over_an_object_array(on_disk):
    X, y = on_disk
    impute = make_column_transformer((SimpleImputer(), ["sodium"]), remainder="passthrough")
    pipeline = make_pipeline(impute, classifier(image=1)).fit(X, y)
    assert impute.fit_transform(X).dtype == object
    imputed = X.assign(sodium=X["sodium"].fillna(X["sodium"].mean()))
    direct = classifier().fit(imputed, y)
    assert_array_equal(pipeline.predict_proba(X), direct.predict_proba(imputed))


def test_calibration(cohort, held_out, fitted):
    X, y = held_out
    raw = fitted.predict_proba(X)
    frozen = CalibratedClassifierCV(FrozenEstimator(fitted)).fit(X, y)
    calibrated = frozen.predict_proba(X)
    # Platt scaling is monotone, and brings the probabilities of an overconfident model closer.
    assert roc_auc_score(y, calibrated[:, 1]) == roc_auc_score(y, raw[:, 1])
    assert log_loss(y, calibrated) < log_loss(y, raw)
    in_folds = CalibratedClassifierCV(classifier(), cv=THREE_FOLDS).fit(*cohort)
    assert len(in_folds.calibrated_classifiers_) == 3
    assert_allclose(in_folds.predict_proba(X).sum(axis=1), 1)
    assert auc(in_folds, X, y) > 0.65


def test_tuned_threshold(cohort):
    X, y = cohort
    tuned = TunedThresholdClassifierCV(
        classifier(), scoring="f1", cv=THREE_FOLDS, thresholds=20, store_cv_results=True
    ).fit(X, y)
    assert tuned.best_score_ == max(tuned.cv_results_["scores"])
    assert len(set(tuned.cv_results_["scores"])) > 3
    positive = tuned.predict_proba(X)[:, 1] >= tuned.best_threshold_
    assert_array_equal(tuned.predict(X), positive.astype(int))


def test_stacking_with_clinical_only_members(cohort):
    X, y = cohort
    drop_scan = FunctionTransformer(lambda table: table.drop(columns="scan"))
    linear = make_pipeline(
        make_column_transformer((SimpleImputer(), ["sodium", "noise"])), LogisticRegression()
    )
    members = [
        ("fused", classifier(max_epochs=6)),
        ("clinical", make_pipeline(drop_scan, clinical_only(max_epochs=6))),
        ("linear", linear),
    ]
    stack = StackingClassifier(members, LogisticRegression(), cv=THREE_FOLDS).fit(X, y)
    columns = stack.transform(X)
    assert columns.shape == (N, 3)
    for column, (name, member) in zip(columns.T, members, strict=True):
        alone = clone(member).fit(X, y).predict_proba(X)[:, 1]
        assert_array_equal(column, alone, err_msg=name)
    # The scan tells what no clinical variable does.
    assert stack.final_estimator_.coef_[0, 0] > 0
    assert_array_equal(stack.predict_proba(X), stack.final_estimator_.predict_proba(columns))


def test_bagging(on_disk):
    X, y = on_disk
    # Bagging hands over an array without names, so the scan is known by its position.
    position = X.columns.get_loc("scan")
    bag = BaggingClassifier(
        classifier(image=position, max_epochs=4), n_estimators=3, max_samples=0.7, random_state=0
    ).fit(X, y)
    members = [member.predict_proba(X.to_numpy(dtype=object)) for member in bag.estimators_]
    assert np.abs(members[0] - members[1]).max() > 0.01
    assert_allclose(bag.predict_proba(X), np.mean(members, axis=0))


def test_voting(cohort):
    X, y = cohort
    labels = y.map({0: "none", 1: "edema"})
    members = [("attention", classifier()), ("concat", classifier(fusion="concat"))]
    vote = VotingClassifier(members, voting="soft", weights=[3, 1]).fit(X, labels)
    first, second = (member.fit(X, labels).predict_proba(X) for _, member in members)
    assert_allclose(vote.predict_proba(X), (3 * first + second) / 4)
    assert set(vote.predict(X)) == {"none", "edema"}


# Inspection and curves


def test_permutation_importance_ranks_scan_and_sodium_above_noise(held_out, fitted):
    X, y = held_out
    found = permutation_importance(
        fitted, X, y, scoring="neg_log_loss", n_repeats=5, random_state=0
    )
    importance = dict(zip(X.columns, found.importances_mean, strict=True))
    rest = max(importance[name] for name in ("noise", "sex", "anticoagulated"))
    assert importance["scan"] > rest + 0.05
    assert importance["sodium"] > rest + 0.05


def test_permutation_importance_of_polars_equals_that_of_pandas(on_disk):
    X, y = on_disk
    clf = classifier(max_epochs=4).fit(X, y)
    frame = in_polars(X)
    # Names are lost on the way for polars; the fitted ones stand in.
    importances = [
        permutation_importance(clf, table, y, scoring="neg_log_loss", n_repeats=2, random_state=0)
        for table in (X, frame)
    ]
    assert np.abs(importances[0].importances).max() > 0.01
    assert_array_equal(importances[0].importances, importances[1].importances)


def test_each_scan_is_read_once_for_folds_and_importance(on_disk, tmp_path):
    X, y = on_disk
    # Fresh files, which no cache knows.
    X = X.assign(scan=X["scan"].map(partial(shutil.copy, dst=tmp_path), na_action="ignore"))
    before = volumes.n_reads
    found = cross_validate(classifier(), X, y, cv=THREE_FOLDS, return_estimator=True)
    permutation_importance(found["estimator"][0], X, y, n_repeats=3, random_state=0)
    assert volumes.n_reads - before == X["scan"].notna().sum()


def test_partial_dependence_on_a_numeric_column(cohort, fitted):
    X, _ = cohort
    X = X[X["sodium"].notna()]  # scikit-learn lays its grid over known values only
    found = partial_dependence(fitted, X, ["sodium"], grid_resolution=3)
    low, middle, high = found["average"][0]
    assert low + 0.1 < middle < high - 0.1
    by_hand = fitted.predict_proba(X.assign(sodium=found["grid_values"][0][2]))[:, 1].mean()
    assert_allclose(high, by_hand)


def test_learning_curve(cohort):
    X, y = cohort
    sizes, train_scores, test_scores = learning_curve(
        classifier(), X, y, train_sizes=[12, 32], cv=THREE_FOLDS, scoring="neg_log_loss"
    )
    assert sizes.tolist() == [12, 32]
    assert train_scores.shape == test_scores.shape == (2, 3)
    train, test = next(THREE_FOLDS.split(X, y))
    part = classifier().fit(X.iloc[train[:12]], y.iloc[train[:12]])
    loss = log_loss(y.iloc[test], part.predict_proba(X.iloc[test]))
    assert_allclose(test_scores[0, 0], -loss)


def test_validation_curve(cohort):
    train_scores, test_scores = validation_curve(
        classifier(),
        *cohort,
        param_name="max_epochs",
        param_range=[1, 12],
        cv=THREE_FOLDS,
        scoring="neg_log_loss",
    )
    assert (train_scores[1] > train_scores[0] + 0.1).all()
    assert test_scores.mean(axis=1)[1] > test_scores.mean(axis=1)[0]


def test_cross_val_predict_puts_every_fold_in_its_place(cohort):
    X, y = cohort
    found = cross_val_predict(classifier(), X, y, cv=THREE_FOLDS, method="predict_proba")
    for train, test in THREE_FOLDS.split(X, y):
        clf = classifier().fit(X.iloc[train], y.iloc[train])
        assert_array_equal(found[test], clf.predict_proba(X.iloc[test]))


# Copies and files


def test_clone_has_the_parameters_and_nothing_fitted(fitted):
    copy = clone(fitted)
    assert repr(copy.get_params()) == repr(fitted.get_params())
    assert set(vars(copy)) == set(AttentionMixerClassifier().get_params())
    assert copy.encoder is not fitted.encoder
    with pytest.raises(NotFittedError):
        copy.predict_proba([[0]])


def test_frozen_encoder_survives_clone_and_fit(cohort):
    X, y = cohort
    pretrained = scan_components().fit(X["scan"].dropna().to_list())
    components = pretrained[-1].components_.copy()
    some = X.iloc[: N // 2]
    frozen, thawed = (
        clone(classifier(encoder=encoder)).fit(some, y.loc[some.index])
        for encoder in (FrozenEstimator(pretrained), pretrained)
    )
    assert_array_equal(frozen.encoder_[-1].components_, components)
    # Not frozen, it is fitted anew on the patients of fit alone.
    assert not np.allclose(thawed.encoder_[-1].components_, components)
    assert_array_equal(pretrained[-1].components_, components)


@pytest.mark.parametrize("dump", ["pickle", "joblib"])
def test_predictions_survive_a_file(cohort, fitted, dump, tmp_path):
    X, _ = cohort
    if dump == "pickle":
        copy = pickle.loads(pickle.dumps(fitted))
    else:
        joblib.dump(fitted, tmp_path / "fitted.joblib")
        copy = joblib.load(tmp_path / "fitted.joblib")
    assert_array_equal(copy.predict_proba(X), fitted.predict_proba(X))
    pd.testing.assert_frame_equal(copy.attention(X), fitted.attention(X))
    pd.testing.assert_frame_equal(copy.history_, fitted.history_)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_pickle_holds_the_weights_once(cohort, early_stopping):
    clf = classifier(
        encoder=CNN(width=32, depth=2), max_epochs=2, early_stopping=early_stopping
    ).fit(*cohort)
    n_bytes = sum(p.numel() * p.element_size() for p in clf.net_.module_.parameters())
    assert n_bytes > 200_000
    # Gradients, an optimizer's state or a second copy of the weights would each double it.
    assert len(pickle.dumps(clf)) < 1.2 * n_bytes + 60_000


def test_warm_start_goes_on_where_it_ended(cohort):
    X, y = cohort
    parts = classifier(max_epochs=4, warm_start=True).fit(X, y)
    assert parts.n_iter_ == 4
    parts = pickle.loads(pickle.dumps(parts)).fit(X, y)
    assert parts.n_iter_ == len(parts.history_) == 8
    whole = classifier(max_epochs=8).fit(X, y)
    assert_array_equal(parts.predict_proba(X), whole.predict_proba(X))
    cold = classifier(max_epochs=4).fit(X, y).fit(X, y)
    assert cold.n_iter_ == 4


# Weights and metadata routing


def test_routed_sample_weight_reaches_every_fold(cohort):
    X, y = cohort
    weight = np.where(np.arange(N) % 2, 5.0, 0.2)
    with config_context(enable_metadata_routing=True):
        clf = classifier().set_fit_request(sample_weight=True)
        clf.set_score_request(sample_weight=False)
        found = cross_validate(
            clf, X, y, cv=THREE_FOLDS, params={"sample_weight": weight}, return_estimator=True
        )["estimator"]
        pipeline = make_pipeline("passthrough", clf).fit(X, y, sample_weight=weight)
    for (train, test), member in zip(THREE_FOLDS.split(X, y), found, strict=True):
        part = (X.iloc[train], y.iloc[train])
        weighted = classifier().fit(*part, sample_weight=weight[train])
        plain = classifier().fit(*part)
        got = member.predict_proba(X.iloc[test])
        assert_array_equal(got, weighted.predict_proba(X.iloc[test]))
        assert np.abs(got - plain.predict_proba(X.iloc[test])).max() > 0.02
    weighted = classifier().fit(X, y, sample_weight=weight)
    assert_array_equal(pipeline.predict_proba(X), weighted.predict_proba(X))


@pytest.mark.parametrize("fine_tune", [True, False])
def test_weights_equal_repeated_and_absent_patients(cohort, fine_tune):
    X, y = cohort
    weight = np.random.default_rng(0).integers(0, 3, N)
    rows = np.repeat(np.arange(N), weight)
    # In one batch, in double precision, and nothing drawn a row: the order of a sum is all that
    # differs.
    same = {"dtype": "float64", "batch_size": N * 2, "mirror": False}
    exact = partial(classifier, fine_tune=fine_tune, **same)
    weighted = exact().fit(X, y, sample_weight=weight).predict_proba(X)
    repeated = exact().fit(X.iloc[rows], y.iloc[rows]).predict_proba(X)
    assert_allclose(weighted, repeated, rtol=1e-7)
    assert np.abs(weighted - exact().fit(X, y).predict_proba(X)).max() > 0.01


def test_balanced_class_weight_lifts_the_rare_class(cohort, held_out):
    X, y = cohort
    rare = np.concatenate([np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:6]])
    X, y = X.iloc[rare], y.iloc[rare]
    # Early on: later, training fits these few patients with any weights.
    early = partial(classifier, max_epochs=3)
    plain, balanced = (early(class_weight=w).fit(X, y) for w in (None, "balanced"))
    lifted = (balanced.predict_proba(held_out[0]) - plain.predict_proba(held_out[0]))[:, 1]
    assert lifted.mean() > 0.03
    factors = dict(enumerate(compute_class_weight("balanced", classes=np.array([0, 1]), y=y)))
    by_hand = early(class_weight=factors).fit(X, y)
    assert_allclose(by_hand.predict_proba(X), balanced.predict_proba(X), rtol=1e-4)


# Training


def test_early_stopping_keeps_the_best_epoch(cohort):
    X, y = cohort
    stopping = partial(classifier, early_stopping=True, validation_fraction=0.25, lr=3e-2)
    clf = stopping(max_epochs=60, n_iter_no_change=3).fit(X, y)
    losses = clf.history_["valid_loss"]
    best = int(losses.argmin()) + 1
    assert clf.n_iter_ == len(losses) == best + 3 < 60
    # The same training, ended at the best epoch.
    until = stopping(max_epochs=best, n_iter_no_change=60).fit(X, y)
    assert_array_equal(until.history_["valid_loss"], losses[:best])
    assert_array_equal(clf.predict_proba(X), until.predict_proba(X))


class StopAtEpoch(Callback):
    """Stop as skorch's own callbacks do."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_epoch_end(self, net: object, **kwargs: object) -> None:
        if len(net.history) == self.epoch:
            raise KeyboardInterrupt


def test_callbacks_stop_training(cohort):
    X, y = cohort
    stopped = classifier(callbacks=[StopAtEpoch(3)]).fit(X, y)
    assert stopped.n_iter_ == len(stopped.history_) == 3
    three = classifier(max_epochs=3).fit(X, y)
    assert_array_equal(stopped.predict_proba(X), three.predict_proba(X))


def test_an_interrupt_is_passed_on(cohort, monkeypatch):
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    before = global_state()
    monkeypatch.setattr("skedema._training.classes.WeightedCrossEntropy.forward", interrupt)
    with pytest.raises(KeyboardInterrupt):
        classifier().fit(*cohort)
    assert global_state() == before


class InterruptedByTheUser(Callback):
    """At work in the second epoch when the user presses Ctrl-C."""

    def on_epoch_end(self, net: object, **kwargs: object) -> None:
        if len(net.history) == 2:
            signal.raise_signal(signal.SIGINT)


def test_an_interrupt_while_a_callback_is_at_work_is_not_taken_for_its_wish_to_stop(
    cohort, tmp_path
):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # clusters put in their own
    clf = classifier(callbacks=[InterruptedByTheUser()], checkpoint_dir=tmp_path, random_state=0)
    try:
        with pytest.raises(KeyboardInterrupt):
            clf.fit(*cohort)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)
    assert not list(tmp_path.rglob("*.ckpt"))  # none that says that training is over


def test_partial_fit_trains_one_epoch_a_call(cohort):
    X, y = cohort
    clf = classifier()
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        clf.partial_fit(X, y)
    clf.partial_fit(X, y, classes=[0, 1])
    assert clf.n_iter_ == 1
    for _ in range(3):
        clf.partial_fit(X, y)
    assert clf.n_iter_ == len(clf.history_) == 4
    whole = classifier(max_epochs=4).fit(X, y)
    assert_array_equal(clf.predict_proba(X), whole.predict_proba(X))
    with pytest.raises(ValueError, match=r"classes=\[0, 1, 2\] differ"):
        clf.partial_fit(X, y, classes=[0, 1, 2])


def test_partial_fit_knows_classes_it_has_not_seen(cohort):
    X, y = cohort
    clf = classifier().partial_fit(X, y, classes=[2, 1, 0])
    assert clf.classes_.tolist() == [0, 1, 2]
    assert clf.predict_proba(X).shape == (N, 3)


def test_history_has_one_row_an_epoch(fitted):
    history = fitted.history_
    assert history["epoch"].tolist() == list(range(1, 21))
    assert history.columns.tolist() == ["epoch", "train_loss", "seconds"]
    assert history["train_loss"].iloc[-1] < 0.7 * history["train_loss"].iloc[0]
    assert (history["seconds"] > 0).all()


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_random_state_decides_everything(cohort, dropout):
    X, y = cohort
    first, again, other = (
        classifier(random_state=seed, dropout=dropout).fit(X, y) for seed in (0, 0, 1)
    )
    assert_array_equal(first.predict_proba(X), again.predict_proba(X))
    assert_array_equal(first.history_["train_loss"], again.history_["train_loss"])
    assert np.abs(first.predict_proba(X) - other.predict_proba(X)).max() > 0.01
    with_dropout = classifier(random_state=0, dropout=0.1).fit(X, y)
    assert np.abs(first.predict_proba(X) - with_dropout.predict_proba(X)).max() > 1e-4


def global_state() -> tuple[object, ...]:
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002
    return kind, keys.tobytes(), *rest, random.getstate(), torch.get_rng_state().numpy().tobytes()


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("random_state", [0, "instance"])
def test_global_random_generators_are_left_alone(cohort, dropout, random_state):
    X, y = cohort
    if random_state == "instance":
        random_state = np.random.RandomState(3)
    clf = classifier(dropout=dropout, random_state=random_state, max_epochs=2)
    before = global_state()
    clf.fit(X, y)
    assert global_state() == before
    for method in (clf.predict_proba, clf.predict, clf.attention, clf.image_features):
        method(X)
        assert global_state() == before
    clf.partial_fit(X, y)
    assert global_state() == before
    torch.rand(1)
    assert global_state() != before


def test_predictions_do_not_depend_on_global_random_generators(cohort):
    X, y = cohort
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)
        found.append(classifier(dropout=0.3, max_epochs=3).fit(X, y).predict_proba(X))
    assert_array_equal(*found)


def test_fits_in_threads_equal_fits_in_turn(cohort):
    X, y = cohort

    def fit(seed: int) -> np.ndarray:
        clf = classifier(random_state=seed, dropout=0.2, max_epochs=4)
        return clf.fit(X, y).predict_proba(X)

    in_turn = [fit(seed) for seed in range(4)]
    threads = joblib.Parallel(n_jobs=4, backend="threading")
    before = global_state()
    at_once = threads(joblib.delayed(fit)(seed) for seed in range(4))
    assert global_state() == before
    assert_array_equal(in_turn, at_once)


# Labels


def test_three_classes(cohort):
    X, _ = cohort
    sodium = X["sodium"].fillna(138)
    y = np.select([sodium < 135, sodium > 141], ["low", "high"], "normal")
    clf = classifier(max_epochs=25).fit(X, y)
    assert clf.classes_.tolist() == ["high", "low", "normal"]
    assert_allclose(clf.predict_proba(X).sum(axis=1), 1)
    assert clf.score(X, y) > 0.8


@pytest.mark.parametrize(
    "labels",
    [np.array(["no edema", "edema"]), np.array([False, True]), np.array([7, -3])],
    ids=["text", "bool", "int"],
)
def test_labels_of_any_kind_come_back(cohort, labels):
    X, y = cohort
    clf = classifier().fit(X, labels[y])
    assert_array_equal(clf.classes_, np.sort(labels))
    assert clf.classes_.dtype == labels.dtype
    predicted = clf.predict(X)
    assert predicted.dtype == labels.dtype
    assert set(predicted) == set(labels)
    column = clf.classes_.tolist().index(labels[1])
    assert roc_auc_score(y, clf.predict_proba(X)[:, column]) > 0.8


# What a patient has


def test_any_subset_of_what_a_patient_has_will_do(cohort, fitted):
    X, y = cohort
    no_scan, no_labs = X.assign(scan=None), X.assign(**dict.fromkeys(CLINICAL))
    nothing = no_labs.assign(scan=None)
    full, scanless, labless, empty = (
        fitted.predict_proba(table) for table in (X, no_scan, no_labs, nothing)
    )
    assert np.isfinite([full, scanless, labless, empty]).all()
    # One source alone still tells something; none tells the same of everyone.
    assert roc_auc_score(y, scanless[:, 1]) > 0.65
    assert roc_auc_score(y, labless[:, 1]) > 0.65
    assert len(np.unique(empty[:, 1])) == 1
    without = X["scan"].isna().to_numpy()
    assert_allclose(scanless[without], full[without], rtol=1e-5)
    assert (np.abs(scanless[~without] - full[~without]).max(axis=1) > 1e-4).all()


def test_fit_takes_tables_in_which_nobody_has_labs(cohort):
    X, y = cohort
    bare = X.assign(**dict.fromkeys(CLINICAL))
    with pytest.warns(UserWarning, match="hold no value at all"):
        clf = classifier().fit(bare, y)
    proba = clf.predict_proba(bare)
    assert np.isfinite(proba).all()
    assert roc_auc_score(y, proba[:, 1]) > 0.65


def test_scan_alone_and_clinical_alone(cohort, held_out):
    X, y = cohort
    scan_only = classifier(max_epochs=15).fit(X[["scan"]], y)
    labs_only = clinical_only(max_epochs=15).fit(X[CLINICAL], y)
    assert auc(scan_only, held_out[0][["scan"]], held_out[1]) > 0.6
    assert auc(labs_only, held_out[0][CLINICAL], held_out[1]) > 0.6
    with pytest.raises(ValueError, match="no clinical variable"):
        scan_only.attention(X[["scan"]])


def test_attention_is_a_distribution_over_the_clinical_variables(cohort, fitted):
    X, _ = cohort
    X = X.iloc[::-1]
    attention = fitted.attention(X)
    assert attention.columns.tolist() == CLINICAL
    assert attention.index.equals(X.index)
    assert (attention > 0).to_numpy().all()
    assert_allclose(attention.sum(axis=1), 1, rtol=1e-6)
    assert attention["sodium"].nunique() > N / 2  # it is each patient's own
    missing = pd.DataFrame(attention.attrs["missing"], index=X.index)
    pd.testing.assert_frame_equal(missing, X[CLINICAL].isna())


def test_image_features_are_those_of_the_scan(cohort, fitted):
    X, _ = cohort
    features = fitted.image_features(X)
    assert features.shape == (N, 16)
    without = X["scan"].isna().to_numpy()
    assert len(np.unique(features[without], axis=0)) == 1
    assert len(np.unique(features[~without], axis=0)) == (~without).sum()
    no_labs = X.assign(**dict.fromkeys(CLINICAL))
    assert_array_equal(fitted.image_features(no_labs), features)


# Tables and scans in every shape


@pytest.mark.parametrize("position", [1, -4])
def test_image_by_position_equals_image_by_name(cohort, position):
    X, y = cohort
    by_name = classifier().fit(X, y)
    array = X.to_numpy(dtype=object)
    by_position = classifier(image=position).fit(array, y.to_numpy())
    assert_array_equal(by_position.predict_proba(array), by_name.predict_proba(X))
    assert by_position.attention(array).columns.tolist() == ["x0", "x2", "x3", "x4"]


def test_columns_are_matched_by_name(cohort, fitted):
    X, _ = cohort
    assert_array_equal(fitted.predict_proba(X[X.columns[::-1]]), fitted.predict_proba(X))


def test_polars_equals_pandas(on_disk):
    X, y = on_disk
    frame = in_polars(X)
    target = pl.Series(y.to_numpy())
    from_pandas, from_polars = classifier().fit(X, y), classifier().fit(frame, target)
    assert from_polars.feature_names_in_.tolist() == X.columns.tolist()
    assert_array_equal(from_polars.predict_proba(frame), from_pandas.predict_proba(X))
    assert_array_equal(from_polars.predict_proba(X), from_pandas.predict_proba(frame))
    assert_array_equal(from_polars.attention(frame), from_pandas.attention(X))


def test_scans_of_one_content_agree_however_they_are_given(cohort, on_disk, fitted):
    arrays, (paths, _) = cohort[0], on_disk
    given = {
        "text": paths["scan"],
        "path": paths["scan"].map(Path, na_action="ignore"),
        "image": paths["scan"].map(nib.load, na_action="ignore"),
    }
    expected = fitted.predict_proba(arrays)
    for kind, scans in given.items():
        found = fitted.predict_proba(arrays.assign(scan=scans.astype(object)))
        assert_array_equal(found, expected, err_msg=kind)
    mixed = [column.iloc[i] for i in range(N) for column in [list(given.values())[i % 3]]]
    assert_array_equal(fitted.predict_proba(arrays.assign(scan=mixed)), expected)


def test_memory_spares_a_later_run_the_reading(on_disk, tmp_path):
    X, y = on_disk
    n_scans = X["scan"].notna().sum()
    reader = VolumeReader(spacing=None, shape=SIDE, windows="stroke")  # not in the cache yet
    clf = classifier(volume=reader, memory=str(tmp_path))
    before = volumes.n_reads
    first = clf.fit(X, y).predict_proba(X)
    assert volumes.n_reads - before == n_scans
    volumes.clear()  # as a new process would be
    features.clear()
    second = clone(clf).fit(X, y).predict_proba(X)
    assert volumes.n_reads - before == n_scans
    assert_array_equal(first, second)
    volumes.clear()
    features.clear()
    clf.set_params(memory=None).predict_proba(X)
    assert volumes.n_reads - before == 2 * n_scans


@pytest.mark.parametrize("with_memory", [False, True])
def test_scan_that_changed_on_disk_changes_the_prediction(cohort, fitted, tmp_path, with_memory):
    X = cohort[0].iloc[:4].copy()
    X["scan"] = [write(hu, tmp_path / f"{i}.nii") for i, hu in X["scan"].items()]
    clf = pickle.loads(pickle.dumps(fitted))
    clf.set_params(memory=str(tmp_path / "cache") if with_memory else None)
    before = clf.set_params(warn_unusual=False).predict_proba(X)
    changed = Path(X["scan"].iloc[2])
    stamp = changed.stat().st_mtime_ns
    write(cohort[0]["scan"].iloc[2] - np.int16(15), changed)
    # Coarse clocks of file systems aside, a file that is written later has a later time.
    os.utime(changed, ns=(stamp + 10**9, stamp + 10**9))
    after = clf.predict_proba(X)
    assert np.abs(after[2] - before[2]).max() > 1e-4
    assert_array_equal(after[[0, 1, 3]], before[[0, 1, 3]])


def test_fit_that_fails_half_way_leaves_the_model_of_the_table_before(cohort, tmp_path):
    X, y = cohort
    clf = classifier(max_epochs=1).fit(X, y)
    expected = clf.predict_proba(X)
    broken = tmp_path / "broken.nii"
    broken.write_bytes(b"no scan")
    bad = X.drop(columns="noise").astype({"scan": object})
    bad.iat[1, bad.columns.get_loc("scan")] = str(broken)
    with pytest.raises(ValueError, match=r"row 1 .*broken\.nii"):
        clf.fit(bad, y)
    assert_array_equal(clf.predict_proba(X), expected)
