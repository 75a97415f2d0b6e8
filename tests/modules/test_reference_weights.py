from __future__ import annotations

import pytest
import torch

from skedema.modules.autoencoder_sizes import AutoencoderSize
from skedema.modules.masked_autoencoder import MaskedAutoencoder
from skedema.modules.reference_weights import (
    ReferenceWeightsError,
    load_reference_weights,
    reference_state,
)

SIZE = AutoencoderSize(48, 2, 4, 36, 2, 3)


@pytest.fixture
def state(reference_file):
    return reference_file("weights")


@pytest.fixture
def model():
    return MaskedAutoencoder(1, (32, 32, 32), SIZE, predictor_norm="batch")


def snapshot(model):
    return {key: value.clone() for key, value in model.state_dict().items()}


def test_a_state_comes_back_as_it_was(model, state):
    report = load_reference_weights(model, state)
    assert len(report.loaded) + len(report.regenerated) == len(state)
    assert report.regenerated == ("decoder_pos_embed", "pos_embed")
    back = reference_state(model)
    assert back.keys() == state.keys()
    for name, value in state.items():
        torch.testing.assert_close(back[name], value, rtol=0, atol=1e-7)


def test_misfits_are_all_named_and_nothing_is_loaded(model, state):
    before = snapshot(model)
    del state["norm.weight"]
    state["head.weight"] = torch.zeros(2, 48)
    state["mask_token"] = torch.zeros(1, 1, 35)
    with pytest.raises(ReferenceWeightsError) as caught:
        load_reference_weights(model, state)
    report = caught.value.report
    assert report.missing == ("norm.weight",)
    assert report.unexpected == ("head.weight",)
    assert report.misshapen == ("mask_token (1, 1, 35) instead of (1, 1, 36)",)
    for name in ("norm.weight", "head.weight", "mask_token"):
        assert name in str(caught.value)
    for key, value in snapshot(model).items():
        assert torch.equal(value, before[key])


def test_what_fits_can_be_loaded_with_a_report(model, state):
    before = snapshot(model)
    del state["norm.weight"]
    report = load_reference_weights(model, state, strict=False)
    assert not report.fits
    assert report.missing == ("norm.weight",)
    assert torch.equal(model.norm.weight, before["norm.weight"])
    assert torch.equal(model.class_token, state["cls_token"])


def test_batch_norm_is_not_taken_for_layer_norm(state):
    model = MaskedAutoencoder(1, (32, 32, 32), SIZE, predictor_norm="layer")
    with pytest.raises(ReferenceWeightsError, match=r"predictor\.1\.running_mean"):
        load_reference_weights(model, state)
    report = load_reference_weights(model, state, strict=False)
    assert all(name.startswith("predictor.") for name in report.unexpected)
    assert not report.missing


def test_another_grid_takes_the_same_weights(state):
    model = MaskedAutoencoder(1, (40, 32, 20), SIZE, predictor_norm="batch")
    report = load_reference_weights(model, state)
    assert report.fits
    assert torch.isfinite(model.features(torch.rand(1, 1, 40, 32, 20))).all()


def test_positions_that_are_not_sine_cosine_are_reported(model, state):
    state["pos_embed"] = state["pos_embed"] + 0.1
    with pytest.raises(ReferenceWeightsError, match="pos_embed"):
        load_reference_weights(model, state)


def test_constants_of_a_checkpoint_are_ignored(model, state):
    state["sobel_filter3D.sobel_filter.weight"] = torch.zeros(3, 1, 3, 3, 3)
    state["perceptual_loss.slice1.0.weight"] = torch.zeros(1)
    report = load_reference_weights(model, state)
    assert len(report.ignored) == 2


def test_channels_and_anisotropic_patches_survive_the_round_trip():
    size = AutoencoderSize(12, 1, 2, 12, 1, 2, patch=(4, 3, 2))
    one, other = (MaskedAutoencoder(2, (8, 9, 6), size, predictor_norm="batch") for _ in range(2))
    assert load_reference_weights(other, reference_state(one)).fits
    scans = torch.rand(2, 2, 8, 9, 6)
    assert torch.equal(one.features(scans), other.features(scans))
