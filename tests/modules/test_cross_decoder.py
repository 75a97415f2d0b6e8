"""The decoder whose places look at what is shown alone, and at no other place."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.testing import assert_close

from skedema.modules.autoencoder_losses import gaussian_blur, sobel_magnitude
from skedema.modules.autoencoder_objective import pretraining_losses
from skedema.modules.autoencoder_sizes import AutoencoderSize
from skedema.modules.masked_autoencoder import MaskedAutoencoder
from skedema.modules.pooled_encoder import PooledEncoder
from skedema.modules.transformer import CrossBlock, TransformerBlock

pytestmark = pytest.mark.numerical

SIZE = AutoencoderSize(24, 2, 2, 16, 2, 2, patch=(4, 3, 2))
WHOLE, WIDENED = (12, 9, 8), (12, 10, 7)  # the second is no multiple of the patch


def network(shape=WHOLE, **parameters):
    torch.manual_seed(0)
    return MaskedAutoencoder(2, shape, SIZE, **({"decoder": "cross"} | parameters))


def drawn(model):
    generator = torch.Generator().manual_seed(1)
    scans = torch.rand(3, 2, *model.patches.shape, generator=generator)
    return scans, torch.rand(3, model.n_patches, generator=generator)


def test_a_block_of_itself_as_tokens_is_that_of_self_attention_without_the_norm_of_keys():
    torch.manual_seed(0)
    cross, own = CrossBlock(8, 8, 2, 4.0), TransformerBlock(8, 2, 4.0)
    for name in ("attention_norm", "project", "mlp_norm", "mlp"):
        getattr(cross, name).load_state_dict(getattr(own, name).state_dict())
    with torch.no_grad():
        for part, rows in (("query", slice(0, 8)), ("key_value", slice(8, 24))):
            for kind in ("weight", "bias"):
                value = getattr(own.query_key_value, kind)[rows]
                getattr(getattr(cross, part), kind).copy_(value)
    tokens = torch.rand(3, 5, 8)
    assert_close(cross(tokens, own.attention_norm(tokens)), own(tokens))


def test_what_is_predicted_of_a_place_does_not_depend_on_what_else_is_asked():
    model = network()
    scans, noise = drawn(model)
    every, _, tokens = model(scans, noise)
    asked = torch.stack([torch.randperm(model.n_patches)[:5] for _ in range(3)])
    found = model.decode(tokens, model.encode_shown(scans, noise)[1], asked)
    assert_close(found, every.gather(1, asked.unsqueeze(-1).expand_as(found)))


@pytest.mark.parametrize(("share", "n"), [(1.0, 27), (1 / 3, 9), (0.001, 1)])
def test_hidden_places_are_asked_in_the_order_of_their_noise(share, n):
    model = network(predicted_share=share)
    _, noise = drawn(model)
    asked = model.asked(noise)
    assert asked.shape == (3, n)
    shown = noise.argsort(dim=1)[:, : model.n_shown]
    hidden = model.mask(shown).bool()
    assert hidden.gather(1, asked).all()
    assert all(len(set(row)) == n for row in asked.tolist())
    rank = noise.argsort(dim=1).argsort(dim=1).gather(1, asked)
    assert torch.equal(rank, torch.arange(model.n_shown, model.n_shown + n).expand(3, -1))


@pytest.mark.parametrize("shape", [WHOLE, WIDENED])
@pytest.mark.parametrize("share", [1.0, 0.4])
def test_losses_are_means_over_what_is_asked_for_in_the_scan_as_it_is(shape, share):
    model = network(shape, predicted_share=share).double()
    scans, noise = (each.double() for each in drawn(model))
    losses = pretraining_losses(model, scans, scans.flip(2), noise, noise.flip(1))
    asked = model.asked(noise)
    _, shown = model.encode_shown(scans, noise)
    every = model.decode(model(scans, noise).tokens, shown)
    places = torch.zeros(3, model.n_patches, dtype=torch.bool)
    for row, of_scan in enumerate(asked):
        places[row, of_scan] = True
    predicted = model.patches.join(places.unsqueeze(-1).expand_as(every).double()) > 0
    mixed = torch.where(predicted, model.patches.join(every), scans)
    squared = (mixed - scans).square()
    assert_close(losses.reconstruction, squared[predicted].mean())
    off = (sobel_magnitude(mixed) - sobel_magnitude(gaussian_blur(scans))).square()
    mean = off[predicted].sum() / scans.numel() * model.n_patches / model.n_asked
    assert_close(losses.edge, mean)
    if shape == WHOLE:
        assert_close(losses.edge, off[predicted].mean())


@pytest.mark.parametrize("share", [1.0, 0.4])
def test_hidden_voxels_do_not_reach_the_prediction(share):
    model = network(WIDENED, predicted_share=share)
    scans, noise = drawn(model)
    prediction, mask, _ = model(scans, noise)
    hidden = model.patches.join(mask.unsqueeze(-1).expand_as(prediction)) > 0
    other = model(torch.where(hidden, torch.full_like(scans, 9.0), scans), noise)
    assert torch.equal(other.prediction, prediction)


def test_the_contrast_is_that_of_the_other_decoder():
    cross, own = network(predicted_share=0.3), network(decoder="self")
    state = {k: v for k, v in own.state_dict().items() if not k.startswith("decoder_blocks")}
    cross.load_state_dict(state, strict=False)
    scans, noise = drawn(own)
    found = [pretraining_losses(m, scans, scans + 1, noise, noise.flip(1)) for m in (cross, own)]
    assert torch.equal(found[0].contrast, found[1].contrast)


@pytest.mark.parametrize("share", [1.0, 0.2])
def test_air_gives_finite_gradients_to_every_parameter(share):
    model = network(WIDENED, predicted_share=share)
    _, noise = drawn(model)
    air = torch.zeros(3, 2, *WIDENED)
    pretraining_losses(model, air, air, noise, noise.flip(1)).total.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_a_few_steps_lower_the_loss():
    model = network(predicted_share=0.5)
    scans, noise = drawn(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    totals = []
    for _ in range(20):
        losses = pretraining_losses(model, scans, scans.flip(2), noise, noise.flip(1))
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
        totals.append(losses.total.item())
    assert totals[-1] < 0.7 * totals[0]


def test_in_bfloat16_losses_are_near(monkeypatch):
    model = network()
    scans, noise = drawn(model)
    expected = pretraining_losses(model, scans, scans, noise, noise)
    for plain_below in (0, 1000):  # by blocks, and not
        monkeypatch.setattr("skedema.modules.transformer._PLAIN_BELOW", plain_below)
        with torch.autocast("cpu", torch.bfloat16):
            found = pretraining_losses(copy.deepcopy(model), scans, scans, noise, noise)
        found.total.backward()
        assert_close(found.total, expected.total, rtol=0.03, atol=0)


def test_the_encoder_alone_leaves_the_decoder_out():
    model = network()
    scans, _ = drawn(model)
    encoder = PooledEncoder(model, "mean")
    assert not [name for name in encoder.state_dict() if "decoder_blocks" in name]
    assert torch.equal(encoder(scans)[:, 0], model.features(scans))


def test_a_share_is_no_matter_of_the_decoder_that_predicts_everything():
    with pytest.raises(ValueError, match=r"predicted_share=0\.5 is for decoder='cross'"):
        network(decoder="self", predicted_share=0.5)
