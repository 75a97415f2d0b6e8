from __future__ import annotations

import pytest
import torch

from skedema.modules.autoencoder_objective import pretraining_losses
from skedema.modules.autoencoder_sizes import SIZES, AutoencoderSize
from skedema.modules.masked_autoencoder import MaskedAutoencoder
from skedema.modules.transformer import NORM_EPS

pytestmark = pytest.mark.numerical

SHAPE = (12, 10, 7)  # no multiple of the patch along two axes
PATCH = (4, 3, 2)
SIZE = AutoencoderSize(24, 2, 2, 16, 1, 2, patch=PATCH)
N_PATCHES = 3 * 4 * 4


@pytest.fixture
def model():
    torch.manual_seed(0)
    return MaskedAutoencoder(2, SHAPE, SIZE)


@pytest.fixture
def scans():
    return torch.rand(3, 2, *SHAPE, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def noise():
    return torch.rand(3, N_PATCHES, generator=torch.Generator().manual_seed(2))


def test_shapes_of_anisotropic_volumes_and_patches(model, scans, noise):
    prediction, mask, tokens = model(scans, noise)
    assert prediction.shape == (3, N_PATCHES, 4 * 3 * 2 * 2)
    assert tokens.shape == (3, 1 + N_PATCHES // 4, 24)
    assert mask.sum(1).tolist() == [N_PATCHES - N_PATCHES // 4] * 3
    assert model.encode(scans).shape == (3, 1 + N_PATCHES, 24)
    assert model.reconstruct(scans, noise).shape == scans.shape


def test_smallest_noise_is_shown_and_only_its_order_matters(model, scans, noise):
    prediction, mask, tokens = model(scans, noise)
    shown = noise <= noise.kthvalue(model.n_shown, dim=1, keepdim=True).values
    assert torch.equal(mask == 0, shown)
    again = model(scans, noise.exp() * 5)
    for one, other in zip((prediction, mask, tokens), again, strict=True):
        assert torch.equal(one, other)


def test_hidden_patches_do_not_reach_the_prediction(model, scans, noise):
    prediction, mask, _ = model(scans, noise)
    hidden = model.patches.join(mask.unsqueeze(-1).expand(-1, -1, model.patches.patch_size)) > 0
    # the margin of a shown patch repeats its own voxels, so hidden voxels are free to change
    other = model(torch.where(hidden, torch.full_like(scans, 9.0), scans), noise)
    assert torch.equal(other.prediction, prediction)
    other = model(torch.where(hidden, scans, torch.full_like(scans, 9.0)), noise)
    assert not torch.allclose(other.prediction, prediction)


def test_gathering_before_embedding_equals_embedding_and_then_gathering(model, scans, noise):
    shown = noise.argsort(1)[:, : model.n_shown]
    every = model.embed(model.patches(scans)) + model.positions[:, 1:]
    expected = model._encode(every.gather(1, shown.unsqueeze(-1).expand(-1, -1, 24)))
    tokens, found = model.encode_shown(scans, noise)
    assert torch.equal(found, shown)
    torch.testing.assert_close(tokens, expected)


def test_decoder_puts_tokens_in_their_places(model, scans, noise):
    # the order in which the shown patches are told must not matter
    tokens, shown = model.encode_shown(scans, noise)
    shuffled = torch.randperm(model.n_shown, generator=torch.Generator().manual_seed(3))
    moved = torch.cat([tokens[:, :1], tokens[:, 1:][:, shuffled]], dim=1)
    torch.testing.assert_close(model.decode(moved, shown[:, shuffled]), model.decode(tokens, shown))


def test_features_of_a_volume_do_not_depend_on_the_others(model, scans):
    model, scans = model.double(), scans.double()  # fp32 sums of another order differ by 1e-6
    for pool in ("mean", "cls", "patches"):
        together = model.features(scans, pool)
        alone = torch.cat([model.features(scan[None], pool) for scan in scans])
        torch.testing.assert_close(together, alone)
        other = model.features(torch.cat([scans[:1], scans[1:] * 9]), pool)
        torch.testing.assert_close(other[0], alone[0])


def test_features_are_what_encode_gives(model, scans):
    assert torch.allclose(model.features(scans, "cls"), model.encode(scans)[:, 0], atol=1e-6)
    mean = model.features(scans, "mean")
    torch.testing.assert_close(mean.mean(1), torch.zeros(3), atol=1e-6, rtol=0)
    torch.testing.assert_close(mean.var(1, correction=0), torch.ones(3), atol=1e-3, rtol=0)


def test_features_of_patches_are_their_tokens_each_normalised(model, scans):
    # what comes out of the last block, whatever `features` makes of it
    last = []
    handle = model.blocks[-1].register_forward_hook(lambda *call: last.append(call[-1]))
    found = model.features(scans, "patches")
    handle.remove()
    tokens = last[0][:, 1:]
    centred = tokens - tokens.mean(-1, keepdim=True)
    expected = centred / (centred.square().mean(-1, keepdim=True) + NORM_EPS).sqrt()
    assert found.shape == (3, N_PATCHES * 24)
    torch.testing.assert_close(found.reshape(3, N_PATCHES, 24), expected)
    mean = tokens.mean(1)
    centred = mean - mean.mean(-1, keepdim=True)
    expected = centred / (centred.square().mean(-1, keepdim=True) + NORM_EPS).sqrt()
    torch.testing.assert_close(model.features(scans, "mean"), expected)


def test_patches_keep_the_order_of_the_grid(model, scans):
    first, last = scans.clone(), scans.clone()
    first[:, :, :4, :3, :2] += 1
    last[:, :, -4:, -1:, -1:] += 1
    plain = model.features(scans, "patches").reshape(3, N_PATCHES, 24)
    for changed, place in ((first, 0), (last, N_PATCHES - 1)):
        found = model.features(changed, "patches").reshape(3, N_PATCHES, 24)
        assert ((found - plain).norm(dim=-1).argmax(dim=1) == place).all()


def test_nothing_is_drawn_at_random(model, scans, noise):
    state = torch.get_rng_state()
    model.train()
    pretraining_losses(model, scans, scans, noise, noise)
    model.features(scans)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("edge_weight", [0.0, 0.5])
@pytest.mark.parametrize("contrast_weight", [0.0, 0.5])
def test_total_is_the_weighted_sum(model, scans, noise, edge_weight, contrast_weight):
    losses = pretraining_losses(
        model,
        scans,
        scans.flip(2),
        noise,
        noise.flip(1),
        edge_weight=edge_weight,
        contrast_weight=contrast_weight,
    )
    expected = losses.reconstruction + edge_weight * losses.edge + contrast_weight * losses.contrast
    torch.testing.assert_close(losses.total, expected)
    assert (losses.edge == 0) == (edge_weight == 0)
    assert (losses.contrast == 0) == (contrast_weight == 0)


@pytest.mark.parametrize("compat", [False, True])
def test_both_views_at_once_equal_one_after_the_other(scans, noise, compat):
    torch.manual_seed(0)
    model = MaskedAutoencoder(2, SHAPE, SIZE, predictor_norm="batch" if compat else "layer")
    both = pretraining_losses(
        model, scans, scans * 2, noise, noise.flip(1), reference_compat=compat
    )
    alone = pretraining_losses(
        model, scans, scans, noise, noise, contrast_weight=0, reference_compat=compat
    )
    torch.testing.assert_close(both.reconstruction, alone.reconstruction)
    torch.testing.assert_close(both.edge, alone.edge)


def test_a_scan_has_no_say_in_the_loss_of_another(model, scans, noise):
    together = pretraining_losses(model, scans, scans.flip(2), noise, noise.flip(1))
    alone = [
        pretraining_losses(
            model, scans[i, None], scans[i, None].flip(2), noise[i, None], noise[i, None].flip(1)
        )
        for i in range(len(scans))
    ]
    for name in ("edge", "contrast"):
        mean = torch.stack([getattr(losses, name) for losses in alone]).mean()
        torch.testing.assert_close(getattr(together, name), mean)


def test_air_gives_finite_gradients_to_every_parameter(model, noise):
    air = torch.zeros(3, 2, *SHAPE)
    pretraining_losses(model, air, air, noise, noise.flip(1)).total.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_a_few_steps_lower_the_loss(model, scans, noise):
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    totals = []
    for _ in range(20):
        losses = pretraining_losses(model, scans, scans.flip(2), noise, noise.flip(1))
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
        totals.append(losses.total.item())
    assert totals[-1] < 0.7 * totals[0]


def test_bf16_features_are_within_a_hundredth_of_fp32():
    torch.manual_seed(0)
    model = MaskedAutoencoder(1, (32, 32, 32), SIZES["tiny"])
    scans = torch.rand(2, 1, 32, 32, 32)
    for pool in ("mean", "cls", "patches"):
        exact = model.features(scans, pool)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            short = model.features(scans, pool)
        assert (short.float() - exact).norm() <= 0.01 * exact.norm()


def test_bf16_losses_and_gradients_are_finite_and_near(scans, noise, model):
    exact = pretraining_losses(model, scans, scans.flip(2), noise, noise.flip(1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        short = pretraining_losses(model, scans, scans.flip(2), noise, noise.flip(1))
    torch.testing.assert_close(short.total, exact.total, rtol=0.02, atol=0)
    short.total.backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


def test_weights_fit_another_shape(model, noise):
    other = MaskedAutoencoder(2, (8, 9, 8), SIZE)
    other.load_state_dict(model.state_dict())
    assert other.encode(torch.rand(1, 2, 8, 9, 8)).shape == (1, 1 + 2 * 3 * 4, 24)


@pytest.mark.parametrize("mask_ratio", [0.0, 0.99, 1.0])
def test_a_mask_must_show_and_hide_something(mask_ratio):
    with pytest.raises(ValueError, match="at least one must be"):
        MaskedAutoencoder(1, SHAPE, SIZE, mask_ratio=mask_ratio)


def test_a_volume_of_another_shape_is_refused(model):
    with pytest.raises(ValueError, match=r"\(12, 10, 7\) voxels were expected"):
        model.features(torch.zeros(1, 2, 12, 10, 8))


def test_noise_must_have_one_number_a_patch(model, scans):
    with pytest.raises(ValueError, match="one number a patch"):
        model(scans, torch.rand(3, 5))
