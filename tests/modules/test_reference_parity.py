"""The reference implementation, number for number; see tests/data/vit_ae_reference/README.md."""

from __future__ import annotations

import pytest
import torch

from skedema.modules.autoencoder_objective import pretraining_losses
from skedema.modules.autoencoder_sizes import AutoencoderSize
from skedema.modules.masked_autoencoder import MaskedAutoencoder
from skedema.modules.reference_weights import load_reference_weights, reference_state

FP32_ROUND_OFF = 1e-6  # relative: eight times the spacing of fp32


@pytest.fixture(scope="module")
def golden(reference_file):
    return reference_file("tensors")


@pytest.fixture
def model(reference_file, reference_figures):
    figures = reference_figures
    size = AutoencoderSize(
        dim=figures["embed_dim"],
        depth=figures["depth"],
        n_heads=figures["heads"],
        decoder_dim=figures["decoder_dim"],
        decoder_depth=figures["decoder_depth"],
        decoder_heads=figures["decoder_heads"],
        patch=(figures["patch"],) * 3,
        expansion=figures["mlp_ratio"],
    )
    model = MaskedAutoencoder(
        figures["in_channels"],
        (figures["volume"],) * 3,
        size,
        mask_ratio=figures["mask_ratio"],
        predictor_norm="batch",
    )
    assert load_reference_weights(model, reference_file("weights")).fits
    return model


@pytest.fixture
def losses(model, golden, reference_figures):
    return pretraining_losses(
        model,
        golden["view1"],
        golden["view2"],
        golden["noise1"],
        golden["noise2"],
        edge_weight=reference_figures["edge_weight"],
        contrast_weight=reference_figures["contrast_weight"],
        reference_compat=True,
    )


def greatest(difference):
    return difference.abs().max().item()


def test_positions_are_the_reference_ones(model, reference_file):
    weights = reference_file("weights")
    torch.testing.assert_close(model.positions, weights["pos_embed"], rtol=0, atol=1e-7)
    torch.testing.assert_close(
        model.decoder_positions, weights["decoder_pos_embed"], rtol=0, atol=1e-7
    )


def test_mask_is_identical(model, golden):
    assert torch.equal(model(golden["view1"], golden["noise1"]).mask, golden["mask"])


def test_prediction(model, golden):
    prediction = model(golden["view1"], golden["noise1"]).prediction
    assert greatest(prediction - golden["prediction"]) <= 1e-5


@pytest.mark.parametrize("view", ["1", "2"])
def test_encoded_and_predicted_tokens(model, golden, view):
    tokens = model(golden["view" + view], golden["noise" + view]).tokens.flatten(0, 1)
    assert greatest(tokens - golden["encoded" + view]) <= 1e-5
    assert greatest(model.predictor(tokens) - golden["projected" + view]) <= 1e-5


@pytest.mark.parametrize("pool", ["mean", "cls"])
def test_features(model, golden, pool):
    # In exact arithmetic "cls" is 1.4e-6 from the golden numbers: only sums in the reference's
    # order (a convolution embeds, attention of short sequences is plain) come this near.
    features = model.eval().features(golden["view1"], pool)
    assert greatest(features - golden["features_" + pool]) <= 1e-6


@pytest.mark.parametrize("name", ["total", "reconstruction", "edge", "contrast"])
def test_losses_to_fp32_round_off(losses, reference_figures, name):
    expected = reference_figures["loss_" + name]
    assert getattr(losses, name).item() == pytest.approx(expected, rel=FP32_ROUND_OFF)


def test_every_gradient(model, losses, reference_file):
    # a parameter: norm of the difference over norm of the reference's gradient
    expected = reference_file("gradients")
    losses.total.backward()
    assert len(list(model.parameters())) == len(expected)
    for parameter in model.parameters():
        parameter.data = parameter.grad  # so that names and shapes become the reference's
    found = reference_state(model)
    relative = {
        name: ((found[name] - gradient).norm() / gradient.norm()).item()
        for name, gradient in expected.items()
    }
    assert max(relative.values()) <= 1e-5, relative
