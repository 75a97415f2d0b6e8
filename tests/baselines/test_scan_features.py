from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
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
    ScanFeatures,
    baselines,
)
from skedema.encoders import CNN, MirroredTokens
from skedema.scans.cache import volumes


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
    names = [f"component {k}" for k in range(1, 11)]  # of the ten who have a scan
    assert found.get_feature_names_out().tolist() == names
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


@pytest.mark.parametrize(("n_features", "n_kept"), [(30, 30), (31, 16)])
def test_components_are_made_by_themselves_where_features_outnumber_scans(n_features, n_kept):
    scans = np.random.default_rng(0).normal(size=(30, n_features, 1, 1))
    encoder = FunctionTransformer(lambda cells: np.array([np.ravel(cell) for cell in cells]))
    X = pd.DataFrame({"scan": pd.Series(list(scans), dtype=object)})
    features = ScanFeatures(image="scan", encoder=encoder, n_components="auto")
    assert features.fit_transform(X).shape == (30, n_kept)


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


def test_columns_are_named_and_rows_keep_their_index(make):
    X, y = make.patients(12)
    X.index = [f"P-{k}" for k in range(12)]
    pca = MirroredTokens(n_components=2, volume=make.reader)
    names = {
        "scan": {"encoder": CNN(width=2, depth=2), "volume": make.reader},
        "both": {"encoder": [("a", pca), ("b", FrozenEstimator(make.autoencoder().fit(SCANS)))]},
    }
    found = {
        key: ScanFeatures(image="scan", **given).set_output(transform="pandas").fit_transform(X, y)
        for key, given in names.items()
    }
    assert list(found["scan"])[:2] == ["cnn0", "cnn1"]
    assert list(found["both"])[:3] == [
        "a__mean of the sides 1",
        "a__mean of the sides 2",
        "a__difference of the sides 1",
    ]
    assert list(found["both"])[4:6] == ["b__vitautoencoder0", "b__vitautoencoder1"]
    for table in found.values():
        assert table.index.equals(X.index)
        assert table.loc["P-3"].isna().all()


SCANS = list(np.random.default_rng(0).normal(40, 8, (4, 8, 8, 8)))
