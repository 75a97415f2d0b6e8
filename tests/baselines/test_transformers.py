from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skedema import ViTAutoencoder
from skedema._features import features
from skedema.baselines import (
    ClinicalValues,
    MeanImputed,
    OnlyScan,
    ScanFeatures,
    Untrained,
    WithoutScan,
    baselines,
)
from skedema.scans.cache import volumes

TABLE = pd.DataFrame(
    {
        "sodium": [128.0, 140.0, None, 136.0],
        "scan": ["a.nii", None, "b.nii", "c.nii"],
        "sex": ["f", None, "m", "m"],
        "intubated": [True, False, True, True],
    }
)


POLARS = pl.DataFrame(
    {name: [None if pd.isna(v) else v for v in column] for name, column in TABLE.items()}
)


@pytest.mark.parametrize(
    "transformer",
    [
        OnlyScan(image="scan"),
        WithoutScan(image=1),
        ClinicalValues(image="scan"),
        ScanFeatures(image="scan", n_components=2),
        MeanImputed(indicator=True),
    ],
)
def test_parameters_are_those_that_were_given(transformer):
    copied = clone(transformer)
    assert copied.get_params() == transformer.get_params()
    name = next(iter(transformer.get_params()))
    assert copied.set_params(**{name: "other"}).get_params()[name] == "other"


@pytest.mark.parametrize("X", [TABLE, POLARS])
def test_columns_are_split_for_tables_of_any_kind(X):
    only, rest = OnlyScan(image="scan").fit_transform(X), WithoutScan(image="scan").fit_transform(X)
    assert type(only) is type(rest) is type(X)
    assert list(only.columns) == ["scan"]
    assert list(rest.columns) == ["sodium", "sex", "intubated"]
    rows = TABLE.to_numpy(dtype=object)
    assert OnlyScan(image=1).fit_transform(rows)[::2].tolist() == [["a.nii"], ["b.nii"]]
    assert WithoutScan(image=-3).fit_transform(rows.tolist())[0] == [128.0, "f", True]
    with pytest.raises(ValueError, match="Did you mean 'scan'"):
        OnlyScan(image="scans").fit(X)


def test_clinical_values_keep_what_is_missing_and_name_categories():
    fitted = ClinicalValues(image="scan").fit(TABLE)
    found = fitted.transform(TABLE)
    assert found.dtypes.astype(str).tolist() == ["float64", "category", "float64"]
    wanted = TABLE.drop(columns="scan").isna()
    pd.testing.assert_frame_equal(found.isna(), wanted)
    assert found["sex"].dropna().tolist() == ["f", "m", "m"]
    pd.testing.assert_frame_equal(fitted.transform(POLARS), found)
    indexed = TABLE.set_index(pd.Index(["a", "a", "b", "c"]))
    assert fitted.transform(indexed).index.tolist() == ["a", "a", "b", "c"]
    with pytest.warns(UserWarning, match="did not see"):
        new = fitted.transform(TABLE.assign(sex="x"))
    assert new["sex"].isna().all()
    with pytest.raises(ValueError, match="missing now: 'sex'"):
        fitted.transform(TABLE.drop(columns="sex"))
    with pytest.raises(ValueError, match="no clinical column"):
        ClinicalValues(image="scan").fit(TABLE[["scan"]])


def test_clinical_values_of_another_metadata_transformer():
    doubled = FunctionTransformer(
        lambda X: 2 * X[["sodium"]].to_numpy(), feature_names_out=lambda _, names: names[:1]
    )
    found = ClinicalValues(image="scan", metadata=doubled).fit_transform(TABLE)
    assert_array_equal(found.to_numpy()[:, 0], 2 * TABLE["sodium"])
    imputed = ClinicalValues(image="scan", metadata=MeanImputed()).fit_transform(TABLE)
    assert imputed["sex"].astype(int).tolist() == [0, 1, 1, 1]


def test_means_and_most_frequent_categories_are_filled_in():
    X = pd.DataFrame({"a": [1.0, 3.0, None, 9.0], "b": ["u", "v", "v", None], "c": [None] * 4})
    weight = np.array([1.0, 1.0, 1.0, 0.0])
    with pytest.warns(UserWarning, match="'c' holds no value at all"):
        fitted = MeanImputed(indicator=True).fit(X, sample_weight=weight)
    plain = fitted.metadata_.transform(X)
    assert fitted.fill_.tolist() == [np.mean(plain[:2, 0]), 1.0, 0.0]
    assert fitted.n_categories_.tolist() == [0, 2, 0, 0, 0, 0]
    found = fitted.transform(X)
    assert_array_equal(found[:, :3][~np.isnan(plain)], plain[~np.isnan(plain)])
    assert_array_equal(found[:, 3:], np.isnan(plain))
    assert fitted.get_feature_names_out().tolist() == [
        *("a", "b", "c", "a missing", "b missing", "c missing")
    ]
    with pytest.warns(UserWarning, match="'c' holds no value at all"):
        assert MeanImputed().fit_transform(X).shape == (4, 3)


def test_scan_features_are_those_of_the_encoder(make):
    X, y = make.patients()
    fitted = make.autoencoder(random_state=1).fit(list(X["scan"].dropna())[:6])
    found = ScanFeatures(image="scan", encoder=FrozenEstimator(fitted)).fit_transform(X, y)
    present = X["scan"].notna()
    assert_array_equal(found[present], fitted.transform(list(X["scan"][present])))
    assert np.isnan(found[~present]).all()


def test_components_are_learned_on_training_patients_and_capped(make):
    X, y = make.patients()
    plain = ScanFeatures(image="scan", encoder=make.autoencoder(random_state=0)).fit(X[:12], y[:12])
    known = plain.transform(X[:12])[X["scan"][:12].notna()]
    found = clone(plain).set_params(n_components=50).fit(X[:12], y[:12])
    assert found.get_feature_names_out().shape == (10,)  # of the ten who have a scan
    components = found.transform(X[:12])[X["scan"][:12].notna()]
    # Distances of standardised features are kept by as many components as there are patients.
    scaled = (known - known.mean(axis=0)) / known.std(axis=0)
    assert_allclose(np.linalg.norm(components, axis=1), np.linalg.norm(scaled, axis=1), rtol=1e-5)
    with pytest.raises(ValueError, match="n_components must be at least 1 or None"):
        clone(plain).set_params(n_components=0).fit(X, y)
    with pytest.raises(ValueError, match="holds no scan at all"):
        clone(plain).fit(X[3:4], y[3:4])
    again = pickle.loads(pickle.dumps(found))
    assert_array_equal(again.transform(X), found.transform(X))


@pytest.mark.parametrize("fine_tune", [False, "auto"])
def test_encoder_is_fitted_and_scans_are_encoded_once_for_all(make, monkeypatch, fine_tune):
    X, y = make.patients()
    fits = []
    fit = ViTAutoencoder.fit
    monkeypatch.setattr(ViTAutoencoder, "fit", lambda *given: fits.append(1) or fit(*given))
    clf = make.classifier(encoder=make.autoencoder(), fine_tune=fine_tune)
    models = baselines(clf, X)
    train = X[:30]
    before = features.n_encoded, volumes.n_reads
    clone(clf).fit(train, y[:30])
    scan = ScanFeatures(
        image="scan", encoder=make.autoencoder(), volume=make.reader, random_state=0
    )
    for model in (
        make_pipeline(scan, FunctionTransformer(np.nan_to_num), LogisticRegression()),
        models["scan alone, linear probe"],
        models["frozen features, gradient boosting"],
        models["frozen features, logistic regression"],
    ):
        clone(model).fit(train, y[:30]).predict_proba(train)
    assert len(fits) == 1
    assert features.n_encoded - before[0] == 28
    assert volumes.n_reads - before[1] == 28


def test_untrained_encoder_is_the_autoencoder_s_with_random_weights(make):
    encoder = Untrained(make.autoencoder(pool="cls"))
    module = encoder.build(in_channels=make.reader.n_channels, shape=(8, 8, 8))
    X, _ = make.patients()
    trained = make.autoencoder(pool="cls").fit(list(X["scan"].dropna())[:4]).network()
    shapes = {name: value.shape for name, value in trained.state_dict().items()}
    assert {name: value.shape for name, value in module.state_dict().items()} == shapes
    assert module.pool == "cls"
    assert clone(encoder).autoencoder.get_params()["patch"] == 4
    with pytest.raises(TypeError, match="must be a ViTAutoencoder"):
        Untrained("vit_ae").build(in_channels=1, shape=(8, 8, 8))
