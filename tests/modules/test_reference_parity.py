"""The reference implementation, number for number; see tests/data/vit_ae_reference/README.md."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cosine_similarity

from skedema.modules import autoencoder_losses, autoencoder_objective
from skedema.modules.autoencoder_objective import pretraining_losses
from skedema.modules.autoencoder_sizes import AutoencoderSize
from skedema.modules.masked_autoencoder import MaskedAutoencoder
from skedema.modules.reference_weights import load_reference_weights, reference_state

pytestmark = pytest.mark.numerical

UNIT = 2.0**-24  # one rounding to fp32 changes a number by at most this, relative to it

# How far a figure may lie from the reference's, in units at its scale (see `scale_of`).
#
# A step (a product, a norm, an addition) errs by about a unit of the whole. The steps err
# independently of each other, so that k in a row err by sqrt(k). From the voxels to a loss there
# are about 60 (12 a block), and as many lead back to the first gradient: 11 units.
#
# - In fp64 nothing of that is left but the reference's own rounding, which is the same wherever the
#   test runs: 12.1 units at most. This holds the formulas to the reference.
# - In fp32, which is what people use, our own rounding comes on top, drawn anew by every order of
#   summation, so by every kind of processor: sqrt(2) * 11 = 16 units, and three times that for the
#   worst of thousands of elements. Seven kinds of arithmetic gave 17 at most.
TOLERANCE = {torch.float64: 16, torch.float32: 48}
DTYPES = pytest.mark.parametrize("dtype", TOLERANCE, ids=["fp64", "fp32"])

GRADIENT = "gradient of "


@pytest.fixture(scope="module")
def golden(reference_file, reference_figures):
    figures = reference_file("tensors")
    for name in ("total", "reconstruction", "edge", "contrast"):
        figures[f"loss_{name}"] = torch.tensor(reference_figures[f"loss_{name}"]).double()
    for name, gradient in reference_file("gradients").items():
        figures[GRADIENT + name] = gradient
    return figures


@pytest.fixture
def make(reference_file, reference_figures):
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

    def make(dtype=torch.float32):
        model = MaskedAutoencoder(
            figures["in_channels"],
            (figures["volume"],) * 3,
            size,
            mask_ratio=figures["mask_ratio"],
            predictor_norm="batch",
        )
        assert load_reference_weights(model, reference_file("weights")).fits
        return model.to(dtype)

    return make


@pytest.fixture
def compute(make, golden, reference_figures):
    """Give a function that computes everything the golden files hold."""

    def compute(dtype):
        view1, view2, noise1, noise2 = (
            golden[name].to(dtype) for name in ("view1", "view2", "noise1", "noise2")
        )
        found = {}
        found["prediction"], found["mask"], _ = make(dtype)(view1, noise1)
        for number, view, noise in (("1", view1, noise1), ("2", view2, noise2)):
            model = make(dtype)  # anew, as batch normalisation keeps means
            found["encoded" + number] = model(view, noise).tokens.flatten(0, 1)
            found["projected" + number] = model.predictor(found["encoded" + number])
        for pool in ("mean", "cls"):
            found["features_" + pool] = make(dtype).eval().features(view1, pool)

        model = make(dtype)
        losses = pretraining_losses(
            model,
            view1,
            view2,
            noise1,
            noise2,
            edge_weight=reference_figures["edge_weight"],
            contrast_weight=reference_figures["contrast_weight"],
            reference_compat=True,
        )
        found |= {f"loss_{name}": loss for name, loss in losses._asdict().items()}
        losses.total.backward()
        for parameter in model.parameters():
            parameter.data = parameter.grad  # so that names and shapes become the reference's
        gradients = reference_state(model)
        found |= {
            name: gradients[name.removeprefix(GRADIENT)]
            for name in golden
            if name.startswith(GRADIENT)
        }
        return {name: value.detach() for name, value in found.items()}

    return compute


def scale_of(name, golden):
    """Give the size of what was summed up to a figure, which rounding errors are relative to."""
    if name == "loss_contrast":
        # A mean of n cosines that cancel to a hundredth: how it errs has nothing to do with how
        # large it is. A cosine sums D products of about 1 / D, whose errors add up to sqrt(D) / D,
        # and n of them average out to 1 / sqrt(n) of that.
        return (golden["encoded1"].numel() + golden["encoded2"].numel()) ** -0.5
    if name.startswith("loss_"):
        # Means of many squares, none of which cancels: the errors of the terms average out, and
        # those of the last sums are left.
        return golden[name].item() / 3
    return golden[name].abs().max().item()


def departures(found, golden):
    """Give the figures that are further from the golden ones than rounding takes them, in units."""
    far = {}
    for name, value in found.items():
        difference = (value.double() - golden[name].double()).abs().max().item()
        units = difference / scale_of(name, golden) / UNIT
        if not units <= TOLERANCE[value.dtype]:  # NaN is far, too
            far[name] = units
    return far


def test_positions_are_the_reference_ones(make, reference_file):
    model, weights = make(), reference_file("weights")
    torch.testing.assert_close(model.positions, weights["pos_embed"], rtol=0, atol=1e-7)
    torch.testing.assert_close(
        model.decoder_positions, weights["decoder_pos_embed"], rtol=0, atol=1e-7
    )


def test_mask_is_identical(make, golden):
    assert torch.equal(make()(golden["view1"], golden["noise1"]).mask, golden["mask"])


@DTYPES
def test_everything_is_the_reference_up_to_rounding(compute, golden, dtype):
    found = compute(dtype)
    assert set(golden) - set(found) == {"view1", "view2", "noise1", "noise2"}
    assert {value.dtype for value in found.values()} == {dtype}
    assert not departures(found, golden)


# What the comparison has to notice


def blur_by(width, monkeypatch):
    def matrix(n, sigma, reference_compat):
        at = torch.arange(-5, 6, dtype=torch.float64)
        weights = torch.exp(-((at / width) ** 2) / 2)
        shifts = [torch.ones(n - abs(i), dtype=torch.float64).diag(i) for i in range(-5, 6)]
        return torch.einsum("i,inm->nm", weights / weights.sum(), torch.stack(shifts))

    monkeypatch.setattr(autoencoder_losses, "_blur_matrix", matrix)


@DTYPES
@pytest.mark.parametrize("sigma", [2.0, 1.67])
def test_a_wrong_width_of_the_blur_is_noticed(compute, golden, monkeypatch, dtype, sigma):
    # The reference blurs by 5/3 of a voxel; its parameter says 2, and 1.67 is the same, rounded.
    blur_by(5 / 3, monkeypatch)
    assert not departures(compute(dtype), golden)
    blur_by(sigma, monkeypatch)
    far = departures(compute(dtype), golden)
    assert far.keys() >= {"loss_edge", "loss_total"}
    assert not far.keys() & {"loss_reconstruction", "loss_contrast", "prediction"}


@DTYPES
def test_a_missing_stop_gradient_is_noticed(compute, golden, monkeypatch, dtype):
    def contrast_loss(predicted1, predicted2, projected1, projected2):
        one = cosine_similarity(predicted1, projected2, dim=-1)
        two = cosine_similarity(predicted2, projected1, dim=-1)
        return -(one.mean() + two.mean()) / 2

    monkeypatch.setattr(autoencoder_objective, "contrast_loss", contrast_loss)
    far = departures(compute(dtype), golden)
    assert far
    assert all(name.startswith(GRADIENT) for name in far)  # the losses are the same


@DTYPES
def test_a_mask_shifted_by_a_patch_is_noticed(compute, golden, monkeypatch, dtype):
    mask = MaskedAutoencoder.mask
    monkeypatch.setattr(
        MaskedAutoencoder, "mask", lambda self, shown: mask(self, shown).roll(1, dims=1)
    )
    far = departures(compute(dtype), golden)
    assert far.keys() >= {"mask", "loss_reconstruction", "loss_total"}
    assert not far.keys() & {"prediction", "loss_edge", "loss_contrast"}
