"""Encoders that are more than one network, or compute in bfloat16, in a classifier on a GPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skedema.datasets import make_head_ct_cohort
from skedema.encoders import CNN, Density, MirroredTokens, ViT

pytestmark = pytest.mark.cuda


def tokens(reader, **parameters):
    vit = ViT(dim=12, depth=1, n_heads=2, patch=4)
    return MirroredTokens(vit, n_components=2, volume=reader, **parameters)


def goes_elsewhere(model, X, gpu):
    """Check that a model's probabilities are those of the same weights on the CPU."""
    found = model.predict_proba(X)
    assert torch.device(model.net_.device).type == torch.device(gpu).type
    for part in (model, *_parts(model.encoder_)):
        part.set_params(device="cpu")
    np.testing.assert_allclose(model.predict_proba(X), found, atol=1e-4)


def _parts(encoder):
    inner = [each for _, each in getattr(encoder, "encoders_", [])] or [encoder]
    return [each for each in inner if "device" in getattr(each, "get_params", dict)()]


def test_tokens_of_both_sides(classifier, gpu, patients):
    X, y = patients
    reader = classifier().volume
    for open_device in ("auto", gpu):
        encoder = tokens(reader, device=open_device)
        model = classifier(device=gpu, encoder=encoder, max_epochs=2, mirror=True).fit(X, y)
        goes_elsewhere(model, X, gpu)


@pytest.mark.filterwarnings("ignore:12 of 12 scans are not in HU")  # of voxels so large
def test_densities_are_no_network_and_the_head_is(classifier, gpu, tmp_path):
    made = make_head_ct_cohort(12, tmp_path, shape=[24] * 3, spacing=[9] * 3, random_state=0)
    X, y = made.frame[["scan", "age"]], made.target
    model = classifier(device=gpu, encoder=Density()).fit(X, y)
    goes_elsewhere(model, X, gpu)


def test_encoders_side_by_side(classifier, autoencoder, gpu, patients):
    X, y = patients
    parts = [("own", autoencoder(max_epochs=1)), ("sides", tokens(classifier().volume))]
    model = classifier(device=gpu, encoder=parts, fine_tune=False, max_epochs=2).fit(X, y)
    kinds = {torch.device(part.device).type for _, part in model.encoder_.encoders_}
    assert kinds == {torch.device(gpu).type}
    goes_elsewhere(model, X, gpu)


@pytest.mark.parametrize("fine_tune", [True, False])
def test_an_autoencoder_under_autocast(classifier, autoencoder, gpu, patients, fine_tune):
    X, y = patients
    encoder = autoencoder(dtype="bfloat16", max_epochs=2)
    model = classifier(device=gpu, encoder=encoder, fine_tune=fine_tune, max_epochs=2).fit(X, y)
    found = model.predict_proba(X)
    assert np.isfinite(found).all()
    assert {w.dtype for w in model.net_.module_.parameters()} == {torch.float32}
    if fine_tune:
        goes_elsewhere(model, X, gpu)
    else:  # bfloat16 rounds otherwise on each device: three digits
        model.set_params(device="cpu").encoder_.set_params(device="cpu")
        np.testing.assert_allclose(model.predict_proba(X), found, atol=0.05)


def test_several_members_with_a_fixed_encoder(classifier, gpu, patients):
    X, y = patients
    parameters = {"encoder": CNN(width=4, depth=2), "fine_tune": False, "n_members": 3}
    models = [
        classifier(device=device, dtype="float64", **parameters).fit(X, y)
        for device in ("cpu", gpu)
    ]
    np.testing.assert_allclose(models[1].predict_proba(X), models[0].predict_proba(X), atol=1e-5)
    np.testing.assert_allclose(models[1].held_out_.proba, models[0].held_out_.proba, atol=1e-5)
