from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from skedema import ClinicalTokenizer, ViTAutoencoder
from skedema.baselines import baselines
from skedema.datasets import make_head_ct_cohort
from skedema.encoders import CNN, Density, PretrainedEncoder, make_encoder
from skedema.encoders.pretrained import FMHCT
from skedema.evaluation import evaluate
from skedema.fusion import Concat, list_fusions
from skedema.scans._remote.scan import at_address

FUSIONS = [f"fusion, {n.replace('_', ' ')}" for n in list_fusions() if n != "cross_attention"]
SCAN = ["scan alone", "scan alone, 3-D CNN", "scan alone, linear probe"]
METADATA = [
    "metadata alone",
    "metadata alone, logistic regression",
    "metadata alone, gradient boosting",
    "metadata alone, MLP",
]
BOTH = [
    "averaging",
    "weighted average",
    "stacking",
    "frozen features, gradient boosting",
    "frozen features, logistic regression",
]


@pytest.fixture(scope="module")
def made(make):
    clf = make.classifier(encoder=make.autoencoder(), fine_tune=False)
    return baselines(clf, make.patients()[0])


def probability(model, X, y, seen=None):
    return clone(model).fit(X, y).predict_proba(X if seen is None else seen)


def test_names_are_those_of_the_docstring(made):
    assert list(made) == [*SCAN, *METADATA, *FUSIONS, *BOTH]
    for name in (*SCAN, *METADATA, *BOTH):
        assert name in " ".join(baselines.__doc__.split()), name


@pytest.mark.parametrize("name", [*SCAN, *METADATA, *FUSIONS, *BOTH])
def test_each_is_unfitted_and_takes_the_whole_table_with_what_is_missing(made, make, name):
    X, y = make.patients()
    with pytest.raises(NotFittedError):
        check_is_fitted(made[name])
    found = probability(made[name], X, y)
    assert found.shape == (40, 2)
    np.testing.assert_allclose(found.sum(axis=1), 1)


DENSITY = ["scan alone, density", "density features, logistic regression"]


@pytest.fixture(scope="module")
def measured(make, tmp_path_factory):
    """Patients whose scans have a geometry."""
    folder = tmp_path_factory.mktemp("heads")
    scans = make_head_ct_cohort(20, folder, shape=[16] * 3, spacing=[13] * 3, random_state=0)
    X = scans.frame[["scan", "age", "sex"]].copy()
    X.loc[X.index[4], "scan"] = None
    return X, np.asarray(scans.target)


@pytest.mark.filterwarnings("ignore:.*scans (is|are)")
def test_density_is_compared_with_where_scans_have_geometry(make, measured):
    X, y = measured
    found = baselines(make.classifier(encoder=make.autoencoder(), fine_tune=False), X)
    assert set(found) == {*SCAN, *METADATA, *FUSIONS, *BOTH, *DENSITY}
    for name in DENSITY:
        assert name in " ".join(baselines.__doc__.split()), name
    alone, beside = (clone(found[name]).fit(X, y) for name in DENSITY)
    older = X.assign(age=X["age"] + 10)
    turned = X.assign(scan=X["scan"].to_numpy()[::-1])
    np.testing.assert_array_equal(alone.predict_proba(X), alone.predict_proba(older))
    for model, other in ((alone, turned), (beside, older), (beside, turned)):
        assert (model.predict_proba(X) != model.predict_proba(other)).any()
    assert isinstance(alone[0].encoder_, Density)
    assert alone[0].n_components is None
    untrained = baselines(make.classifier(), X)  # whose encoder has no features to freeze
    assert set(DENSITY) <= set(untrained)
    assert list(baselines(make.classifier(), X[["scan"]])) == DENSITY[:1]
    bare = X.assign(scan=[f"{k}.npy" for k in range(len(X))])
    assert not set(DENSITY) & set(baselines(make.classifier(), bare))
    far = X.assign(scan=[at_address(f"s3://exams/{k}/", "copies") for k in range(len(X))])
    assert set(DENSITY) <= set(baselines(make.classifier(), far))  # nobody is asked


@pytest.mark.parametrize("name", METADATA)
def test_metadata_alone_does_not_look_at_scans(made, make, name):
    X, y = make.patients()
    other = X.assign(scan=X["scan"].to_numpy()[::-1])
    np.testing.assert_array_equal(probability(made[name], X, y), probability(made[name], other, y))


@pytest.mark.parametrize("name", SCAN)
def test_scan_alone_does_not_look_at_clinical_values(made, make, name):
    X, y = make.patients()
    other = X.iloc[::-1].reset_index(drop=True).assign(scan=X["scan"])
    np.testing.assert_array_equal(probability(made[name], X, y), probability(made[name], other, y))


@pytest.mark.parametrize("name", [SCAN[0], SCAN[2], *METADATA, BOTH[0], BOTH[3]])
def test_columns_are_matched_by_name(made, make, name):
    X, y = make.patients()
    fitted = clone(made[name]).fit(X, y)
    turned = X[X.columns[::-1]]
    np.testing.assert_array_equal(fitted.predict_proba(X), fitted.predict_proba(turned))


def test_trusted_columns_are_asked_for_only_where_they_are(make):
    X, y = make.patients()
    clf = make.classifier(encoder=make.autoencoder(), fine_tune=False, trusted_columns=["age", 0])
    models = baselines(clf, X)
    assert models["metadata alone"].trusted_columns == ["age", 0]  # positions in the whole table
    assert models["metadata alone"].encoder is None
    for name in ("scan alone", "metadata alone"):
        assert probability(models[name], X, y).shape == (len(X), 2)


def test_averaging_is_the_mean_of_its_two_members(made, make):
    X, y = make.patients()
    members = [probability(made[name], X, y) for name in ("scan alone", "metadata alone")]
    np.testing.assert_allclose(probability(made["averaging"], X, y), np.mean(members, axis=0))


def test_boosting_sees_a_missing_scan_as_missing_and_categories_as_categories(made, make):
    X, y = make.patients()
    fitted = clone(made["frozen features, gradient boosting"]).fit(X, y)
    table = fitted[0].transform(X)
    components = [name for name in table if name.startswith("scan__")]
    assert len(components) == 16
    missing = table[components].isna()
    np.testing.assert_array_equal(missing.all(axis=1), X["scan"].isna())
    np.testing.assert_array_equal(missing.any(axis=1), X["scan"].isna())
    assert isinstance(table["clinical__sex"].dtype, pd.CategoricalDtype)
    assert table["clinical__sex"].isna().tolist() == X["sex"].isna().tolist()
    assert fitted[-1].is_categorical_.sum() == 1


def test_parts_are_told_from_the_classifier(make):
    X, _ = make.patients()
    clf = make.classifier(
        encoder=make.autoencoder(),
        metadata=ClinicalTokenizer(categorical_features=["age"]),
        class_weight="balanced",
        random_state=7,
        memory="here",
        dim=12,
    )
    before = repr(clf.get_params())
    found = baselines(clf, X, n_components=3)
    assert repr(clf.get_params()) == before
    cnn = found["scan alone, 3-D CNN"][-1]
    assert (cnn.encoder, cnn.fine_tune, cnn.memory) == ("cnn", True, "here")
    assert cnn.volume.shape == 8
    for name in FUSIONS:
        given = found[name].get_params(deep=False)
        assert given.pop("refiner") is None
        assert given.pop("fusion").replace("_", " ") == name.removeprefix("fusion, ")
        assert given["random_state"] == 7
        assert given["encoder"] is not clf.encoder
    scan = dict(found["frozen features, gradient boosting"][0].transformer_list)["scan"]
    assert (scan.n_components, scan.random_state, scan.memory) == (3, 7, "here")
    boosting = found["metadata alone, gradient boosting"]
    assert boosting[0].metadata.categorical_features == ["age"]
    assert boosting[-1].class_weight == "balanced"
    assert found["metadata alone, MLP"][-1].hidden_layer_sizes == (12,)
    assert found["metadata alone"].encoder is None


def test_grid_of_the_cnn_is_the_one_that_the_encoder_reads_on(make):
    X, _ = make.patients()
    fitted = make.autoencoder().fit(list(X["scan"].dropna())[:4])
    for encoder, shape in (
        (ViTAutoencoder(), 32),
        ("vit_ae", 32),
        (ViTAutoencoder(size="base"), 96),
        (FrozenEstimator(fitted), 8),
        (["density", "vit_ae"], 32),
        (FrozenEstimator(make_encoder(["density", FrozenEstimator(fitted)]).fit([None])), 8),
        (PretrainedEncoder("weights.pth", recipe=FMHCT(shape=24)), 24),
    ):
        clf = make.classifier(encoder=encoder, volume=None)
        reader = baselines(clf, X)["scan alone, 3-D CNN"][-1].volume
        assert tuple(np.ravel(reader.settings().shape)) == (shape,) * 3


def test_encoder_that_learns_from_labels_has_no_features_to_freeze(make):
    X, _ = make.patients()
    clf = make.classifier()
    frozen = {name for name in (*SCAN, *BOTH) if "probe" in name or "frozen" in name}
    left_out = {*frozen, "scan alone, 3-D CNN"}  # which is "scan alone"
    assert set(baselines(clf, X)) == {*SCAN, *METADATA, *FUSIONS, *BOTH} - left_out
    found = baselines(clf, X, features=make.autoencoder())
    assert set(found) >= frozen
    assert isinstance(found["scan alone, linear probe"][0].encoder, ViTAutoencoder)
    assert "scan alone, 3-D CNN" in baselines(make.classifier(fine_tune=False), X)


def test_what_would_be_the_classifier_itself_is_left_out(make):
    X, _ = make.patients()
    assert "fusion, concat" not in baselines(make.classifier(fusion=Concat(), refiner=None), X)
    assert "fusion, concat" in baselines(make.classifier(fusion=Concat()), X)
    no_scan = baselines(make.classifier(image=None), X.drop(columns="scan"))
    assert list(no_scan) == METADATA[1:]
    clf = make.classifier(encoder=make.autoencoder())
    assert list(baselines(clf, X[["scan"]])) == SCAN[1:]


def test_arrays_with_the_scan_by_position_give_the_same(make):
    X, y = make.patients()
    named = baselines(make.classifier(encoder=make.autoencoder()), X)
    clf = make.classifier(encoder=make.autoencoder(), image=-4)
    array = X.to_numpy(dtype=object)
    bare = baselines(clf, array)
    by_position = baselines(clf, X)
    for name in ("scan alone", "metadata alone", BOTH[3]):
        wanted = probability(named[name], X, y)
        np.testing.assert_allclose(probability(bare[name], array, y), wanted)
        np.testing.assert_array_equal(probability(by_position[name], X, y), wanted)


def test_anything_else_than_the_classifier_is_refused(make):
    X, _ = make.patients()
    for other in (make_pipeline(make.classifier()), type(make.classifier()), None):
        with pytest.raises(TypeError, match="must be an AttentionMixerClassifier object, got"):
            baselines(other, X)
    with pytest.raises(ValueError, match="image='ct': X has no such column"):
        baselines(make.classifier(image="ct"), X)


@pytest.mark.slow
def test_all_are_evaluated_and_kept(make, tmp_path):
    X, y = make.patients()
    clf = make.classifier(encoder=CNN(width=4, depth=2))
    models = {"AttentionMixer": clf, **baselines(clf, X)}
    first = evaluate(models, X, y, cv=2, random_state=0, storage=tmp_path)
    again = evaluate(models, X, y, cv=2, random_state=0, storage=tmp_path)
    pd.testing.assert_frame_equal(first.predictions, again.predictions)
    assert len(list(tmp_path.glob("*.array"))) == 2 * len(models)


@pytest.mark.parametrize(
    "name", ["metadata alone, gradient boosting", "frozen features, gradient boosting"]
)
def test_boosting_does_without_a_variable_that_has_no_value_in_training(make, name):
    X, y = make.patients()
    X["anti_xa"] = np.nan
    clf = make.classifier(encoder=make.autoencoder(), fine_tune=False)
    with pytest.warns(UserWarning, match="'anti_xa' holds no value at all"):
        fitted = baselines(clf, X)[name].fit(X, y)
    with pytest.warns(UserWarning, match="anti_xa.*no value was seen in fit"):
        later = fitted.predict_proba(X.assign(anti_xa=0.5))
    np.testing.assert_array_equal(later, fitted.predict_proba(X))


def test_any_classifier_is_put_behind_features_and_values(make):
    X, y = make.patients()
    clf = make.classifier(encoder=make.autoencoder(), fine_tune=False)
    forest = HistGradientBoostingClassifier(max_iter=20, min_samples_leaf=3)
    nearest = make_pipeline(StandardScaler(), KNeighborsClassifier())
    found = baselines(clf, X, estimator={"trees": forest, "nearest": nearest})
    names = [f"{what}, {name}" for what in WHAT for name in ("trees", "nearest")]
    assert set(found) - set(baselines(clf, X)) == set(names)
    assert list(found)[:3] == SCAN
    turned = X.assign(scan=X["scan"].to_numpy()[::-1])
    older = X.assign(age=X["age"].to_numpy()[::-1])
    for name in names:
        fitted = clone(found[name]).fit(X, y)
        proba = fitted.predict_proba(X)
        assert (proba == fitted.predict_proba(turned)).all() == name.startswith("metadata")
        assert (proba == fitted.predict_proba(older)).all() == name.startswith("scan")
    gaps = clone(found["frozen features, trees"]).fit(X, y)[:-1].transform(X)
    no_scan = X["scan"].isna().to_numpy()
    assert np.isnan(gaps[no_scan]).any(axis=1).all()
    assert found["frozen features, trees"][-1] is not forest


WHAT = ("scan alone", "metadata alone", "frozen features")


def test_one_classifier_is_called_by_its_class_and_anything_else_refused(make):
    X, _ = make.patients()
    found = baselines(make.classifier(), X, estimator=KNeighborsClassifier())
    assert "metadata alone, KNeighborsClassifier" in found  # a CNN has no features to freeze
    assert not {"scan alone, KNeighborsClassifier"} & set(found)
    no_scan = baselines(make.classifier(image=None), X[["age"]], estimator=KNeighborsClassifier())
    assert "metadata alone, KNeighborsClassifier" in no_scan
    for other in (KNeighborsClassifier, KNeighborsRegressor(), {"mine": StandardScaler()}, "knn"):
        with pytest.raises(TypeError, match="estimator must be a classifier, such as"):
            baselines(make.classifier(), X, estimator=other)
