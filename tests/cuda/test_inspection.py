"""What a model on a GPU says of itself, beside the same model on the CPU."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from skedema.encoders import CNN, MirroredTokens, ViT
from skedema.inspection import explain, explain_scan

pytestmark = pytest.mark.cuda

METHODS = ["occlusion", "rollout", *(["gradient"] if find_spec("captum") else [])]


@pytest.mark.parametrize("trained", [True, False])
@pytest.mark.parametrize("method", METHODS)
def test_where_it_looked(classifier, gpu, patients, method, trained):
    X, y = patients
    vit = ViT(dim=12, depth=2, n_heads=2, patch=4)
    encoder = vit if trained else MirroredTokens(vit, n_components=2, volume=classifier().volume)
    model = classifier(device=gpu, encoder=encoder, fine_tune=trained, max_epochs=2).fit(X, y)
    found = []
    for device in (gpu, "cpu"):
        model.set_params(device=device)
        if not trained:
            model.encoder_.set_params(device=device)
        found.append(explain_scan(model, X.iloc[0], method=method, size=40).relevance)
    assert found[0].any()
    np.testing.assert_allclose(found[0], found[1], rtol=1e-3, atol=1e-3 * np.abs(found[1]).max())


def test_why_a_patient(classifier, gpu, patients):
    X, y = patients
    model = classifier(device=gpu, encoder=CNN(width=4, depth=2), n_members=2, fine_tune=False)
    model.fit(X, y)
    found = []
    for device in (gpu, "cpu"):
        found.append(explain(model.set_params(device=device), X.iloc[0]).contributions)
    np.testing.assert_allclose(
        found[0].select_dtypes("number"), found[1].select_dtypes("number"), atol=1e-4
    )
