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
