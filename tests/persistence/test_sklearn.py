from __future__ import annotations

import os

import numpy as np
import pytest
import sklearn
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import fbeta_score, make_scorer
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    RepeatedStratifiedKFold,
    StratifiedKFold,
    TunedThresholdClassifierCV,
)
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)

import skedema
from skedema import ClinicalTokenizer
from skedema.baselines import ClinicalValues, MeanImputed, OnlyScan, ScanFeatures, WithoutScan
from skedema.persistence import ModelFileError, _manifest

from ._models import again, classifier, load_parts, make_table, tokens

X, y = make_table()
FEW = X.head(6)
TABLE = X.drop(columns="scan")


def columns(**options):
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    made = [
        ("numbers", numbers, make_column_selector(dtype_include="number")),
        ("categories", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["sex"]),
    ]
    return ColumnTransformer(made, **options)


@pytest.fixture(scope="module")
def fitted():
    return classifier(image=None).fit(TABLE, y)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibrated_models_come_back(method, fitted, tmp_path):
    model = CalibratedClassifierCV(FrozenEstimator(fitted), method=method).fit(TABLE, y)
    expected = model.predict_proba(TABLE)
    assert np.array_equal(again(model, tmp_path).predict_proba(TABLE), expected)


def test_calibration_by_temperature_comes_back(fitted, tmp_path):
    if tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 8):
        pytest.skip("scikit-learn has had it since 1.8")
    model = CalibratedClassifierCV(FrozenEstimator(fitted), method="temperature").fit(TABLE, y)
    expected = model.predict_proba(TABLE)
    assert np.array_equal(again(model, tmp_path).predict_proba(TABLE), expected)


def test_thresholds_come_back(fitted, tmp_path):
    frozen = FrozenEstimator(fitted)
    fixed = FixedThresholdClassifier(frozen, threshold=0.4, pos_label="edema").fit(TABLE, y)
    tuned = TunedThresholdClassifierCV(frozen, cv="prefit", refit=False).fit(TABLE, y)
    for model in (fixed, tuned):
        loaded = again(model, tmp_path)
        assert np.array_equal(loaded.predict(TABLE), model.predict(TABLE))
    assert loaded.best_threshold_ == tuned.best_threshold_


def test_folds_of_a_calibration_come_back(tmp_path):
    folds = StratifiedKFold(2, shuffle=True, random_state=0)
    model = CalibratedClassifierCV(classifier(image=None, n_members=1), cv=folds).fit(TABLE, y)
    loaded = again(model, tmp_path)
    assert np.array_equal(loaded.predict_proba(TABLE), model.predict_proba(TABLE))
    assert repr(loaded.cv) == repr(folds)


def test_folds_that_no_file_can_hold_are_told_with_their_remedy(tmp_path):
    folds = CalibratedClassifierCV(cv=RepeatedStratifiedKFold(n_splits=2))
    with pytest.raises(ModelFileError, match=r"\.cv is a .*, which fit alone needs: set that"):
        again(folds, tmp_path)
    again(folds.set_params(cv=None), tmp_path)


def cost(y_true, y_pred):
    return float(np.mean(y_true != y_pred))


def tuned_by(scorer, fitted):
    model = TunedThresholdClassifierCV(fitted, cv="prefit", refit=False, scoring=scorer)
    return model.fit(TABLE, y)


def test_a_scorer_comes_back_with_its_class(fitted, tmp_path):
    model = tuned_by(make_scorer(fbeta_score, beta=2, pos_label="none"), FrozenEstimator(fitted))
    loaded = again(model, tmp_path)
    assert np.array_equal(loaded.predict(TABLE), model.predict(TABLE))
    assert repr(loaded.scoring) == repr(model.scoring)


def test_a_scorer_of_ones_own_is_told_the_remedy(fitted, tmp_path):
    frozen = FrozenEstimator(fitted)
    model = tuned_by(make_scorer(cost, greater_is_better=False), frozen)
    with pytest.raises(ModelFileError, match=r"scores by 'cost', .* kept by a Fixed"):
        again(model, tmp_path)
    fixed = FixedThresholdClassifier(
        model.estimator_, threshold=model.best_threshold_, pos_label="none"
    ).fit(TABLE, y)
    assert np.array_equal(again(fixed, tmp_path).predict(TABLE), model.predict(TABLE))


@pytest.mark.parametrize("asked", ["save_pretrained", ["predict", "fit"], None])
def test_no_scorer_of_a_file_calls_what_does_not_predict(asked, tmp_path):
    fields = {"sign": 1, "kwargs": {"dict": []}, "response_method": asked}
    with pytest.raises(ModelFileError, match="not computed of what"):
        load_parts(tmp_path, ["sklearn.Scorer", {"name": "accuracy_score", **fields}])


def test_no_file_names_a_function_that_is_no_score(tmp_path):
    for name in ("get_scorer", "__loader__", "_scorer", "check_scoring"):
        fields = {"name": name, "sign": 1, "kwargs": {"dict": []}, "response_method": "predict"}
        with pytest.raises(ModelFileError, match=r"sklearn\.metrics has no score"):
            load_parts(tmp_path, ["sklearn.Scorer", fields])


def test_a_pipeline_of_baselines_comes_back(tmp_path):
    scan = ScanFeatures(image="scan", encoder=tokens(), n_components=2, random_state=0)
    table = make_pipeline(ClinicalValues(image="scan"), columns())
    model = make_pipeline(
        FeatureUnion([("scan", scan), ("table", table)]),
        SimpleImputer(keep_empty_features=True),
        LogisticRegression(),
    ).fit(X, y)
    expected = model.predict_proba(FEW)
    model.set_params(memory=str(tmp_path / "memory"))
    loaded = again(model, tmp_path)
    assert np.array_equal(loaded.predict_proba(FEW), expected)
    assert loaded.memory is None  # a place on the machine where it was fitted


def test_ensembles_of_models_come_back(tmp_path):
    one = make_pipeline(WithoutScan(image="scan"), classifier(image=None))
    other = make_pipeline(WithoutScan(image="scan"), columns(), LogisticRegression())
    members = [("one", one), ("other", other)]
    for model in (
        VotingClassifier(members, voting="soft"),
        StackingClassifier(members, LogisticRegression(), cv=2),
    ):
        expected = model.fit(X, y).predict_proba(FEW)
        assert np.array_equal(again(model, tmp_path).predict_proba(FEW), expected)


@pytest.mark.parametrize(
    "transformer",
    [
        ClinicalTokenizer(categorical_features=["sex"]),
        MeanImputed(indicator=True),
        columns(remainder="passthrough", verbose_feature_names_out=False),
        columns().set_output(transform="pandas"),
        make_pipeline(columns(), MinMaxScaler(), PCA(2, random_state=0)),
        make_pipeline(columns(), RobustScaler(), Normalizer()),
        make_pipeline(OrdinalEncoder(encoded_missing_value=-1, dtype=np.float32)),
        make_pipeline(OneHotEncoder(min_frequency=4, drop="if_binary")),
        MissingIndicator(features="all"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_transformers_come_back(transformer, tmp_path):
    expected = transformer.fit(TABLE).transform(TABLE)
    found = again(transformer, tmp_path).transform(TABLE)
    assert type(found) is type(expected)
    if hasattr(found, "toarray"):
        found, expected = found.toarray(), expected.toarray()
    np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))


def test_metadata_of_scikit_learn_comes_back(tmp_path):
    clf = classifier(image=None, metadata=columns()).fit(TABLE, y)
    assert np.array_equal(again(clf, tmp_path).predict_proba(TABLE), clf.predict_proba(TABLE))


def test_a_random_state_goes_on_where_it_was(tmp_path):
    state = np.random.RandomState(3)
    state.normal(size=3)
    clf = again(classifier(random_state=state), tmp_path)
    assert np.array_equal(clf.random_state.normal(size=4), state.normal(size=4))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (GridSearchCV(classifier(), {"dim": [4]}), "is a search: save what it found, its best_est"),
        (
            make_pipeline(OnlyScan(image="scan"), FunctionTransformer(np.log)),
            r"Pipeline\.steps\[1\]\[1\] is a sklearn.*FunctionTransformer",
        ),
        (make_pipeline(ColumnTransformer([("a", "drop", len)])), r"\[2\] is a .*function.* len"),
    ],
)
def test_what_has_no_place_in_a_file_is_named(model, message, tmp_path):
    with pytest.raises(ModelFileError, match=message):
        skedema.save(model, tmp_path / "model.skedema")
    assert not list(tmp_path.iterdir())


def test_another_version_of_scikit_learn_is_told(tmp_path, monkeypatch):
    version = _manifest._version
    with monkeypatch.context() as patched:
        patched.setattr(
            _manifest, "_version", lambda name: "1.2.3" if name == "scikit-learn" else version(name)
        )
        skedema.save(StandardScaler(), tmp_path / "scaler.skedema")
        skedema.save(ClinicalTokenizer(), tmp_path / "tokenizer.skedema")
    with pytest.warns(UserWarning, match=r"parts of scikit-learn 1\.2\.3, and this is"):
        skedema.load(tmp_path / "scaler.skedema")
    skedema.load(tmp_path / "tokenizer.skedema")


def test_a_random_state_of_no_place_is_refused(tmp_path):
    # NumPy would read memory that is not its own.
    state = {"key": [0] * 624, "pos": 10**9, "has_gauss": 0, "gauss": 0.0}
    with pytest.raises(ModelFileError, match="random state has no such place"):
        load_parts(tmp_path, ["numpy.RandomState", state])


def test_named_steps_pass_for_nothing_else(tmp_path):
    # As the reader of an encoder it would have scans fetched to where the file says.
    with pytest.raises(ModelFileError, match="'remote' is no estimator"):
        load_parts(tmp_path, ["sklearn.Bunch", {"remote": "elsewhere"}])


def test_no_pattern_of_columns_takes_for_ever(tmp_path):
    for pattern in (
        "(a+)+$",
        "(a|a){9,}$",
        "a*a*a*a*b",
        r"(a*)\1b",
        ".?" * 60,
        r"(\w?i)" * 60,
        "(a|aa)" * 60,
    ):
        with pytest.raises(ModelFileError, match="repeats a group"):
            skedema.save(make_column_selector(pattern), tmp_path / "model.skedema")
        fields = {"pattern": pattern, "dtype_include": None, "dtype_exclude": None}
        with pytest.raises(ModelFileError, match="repeats a group"):
            load_parts(tmp_path, ["sklearn.make_column_selector", fields])
    loaded = again(make_column_selector("^(?:age|sex)(?:_[0-9]+)?$"), tmp_path)
    assert loaded(TABLE) == ["age", "sex"]


def test_a_file_asks_for_no_more_processes_than_there_are_cores(tmp_path):
    many = FeatureUnion([("a", StandardScaler())], n_jobs=5000)
    assert again(many, tmp_path).n_jobs == os.cpu_count()
    for as_joblib_takes_it in (np.int64(5000), 5000.0, "5000"):
        many.n_jobs = as_joblib_takes_it
        assert again(many, tmp_path).n_jobs == os.cpu_count()
    assert again(many.set_params(n_jobs=-1), tmp_path).n_jobs == -1
