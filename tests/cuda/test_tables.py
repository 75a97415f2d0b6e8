"""Tables of many patients, and what fits are told to cost."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score

from skedema import AttentionMixerClassifier
from skedema._training import fitted_model
from skedema._training.schedule import are_many

pytestmark = pytest.mark.cuda


def many(n: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(50, 5, size=(n, 4)), columns=["age", "sodium", "glucose", "gcs"])
    y = (X["age"] + rng.normal(0, 4, n) > 50).to_numpy(dtype=int)
    X = X.mask(rng.random(X.shape) < 0.1)
    X["sex"] = rng.choice(np.array(["f", "m", None], dtype=object), n)
    return X, y


def test_many_patients_are_learned_from_as_on_the_cpu(gpu):
    X, y = many(2_500)
    assert are_many(len(X))
    others, truth = many(2_000, seed=1)
    found = {}
    for device in ("cpu", gpu):
        model = AttentionMixerClassifier(
            dim=8, n_heads=2, max_epochs=6, early_stopping=True, random_state=0, device=device
        ).fit(X, y)
        assert {w.dtype for w in model.net_.module_.parameters()} == {torch.float32}
        found[device] = model.predict_proba(others)[:, 1]
        assert np.isfinite(model.held_out_.proba).all()
    auc = {device: roc_auc_score(truth, proba) for device, proba in found.items()}
    print(auc, np.abs(found[gpu] - found["cpu"]).max())
    assert auc["cpu"] > 0.8
    assert abs(auc[gpu] - auc["cpu"]) < 0.01


def test_a_table_is_predicted_by_parts(gpu, monkeypatch):
    X, y = many(300)
    model = AttentionMixerClassifier(dim=4, n_heads=1, max_epochs=2, random_state=0, device=gpu)
    whole = model.fit(X, y).predict_proba(X)
    monkeypatch.setattr(fitted_model, "_PATIENTS_A_PART", 128)
    np.testing.assert_allclose(model.predict_proba(X), whole, rtol=0, atol=1e-9)


@pytest.mark.parametrize("parameters", [{"fine_tune": True}, {"fine_tune": False}, {"image": None}])
def test_what_a_fit_costs_is_found_there(classifier, gpu, patients, parameters):
    X, y = patients
    X = X.drop(columns="scan") if "image" in parameters else X
    found = classifier(device=gpu, **parameters).estimate(X, y, cv=3)
    assert 0 < found.seconds < 600
    assert found.bytes > 0
