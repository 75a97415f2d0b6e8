from __future__ import annotations

import pytest
import torch
from torch.nn.functional import conv3d, pad

from skedema.modules.autoencoder_losses import (
    EDGE_EPS,
    contrast_loss,
    edge_loss,
    gaussian_blur,
    reconstruction_loss,
    sobel_magnitude,
)

pytestmark = pytest.mark.numerical


def volumes(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def outer(x, y, z):
    return torch.einsum("i,j,k->ijk", x, y, z)[None, None]


def dense(volume, kernel, mode):
    reach = [side // 2 for side in reversed(kernel.shape[2:]) for _ in range(2)]
    each = volume.flatten(0, 1).unsqueeze(1)
    return conv3d(pad(each, reach, mode=mode), kernel.to(volume)).reshape(volume.shape)


@pytest.mark.parametrize(("compat", "mode"), [(False, "replicate"), (True, "constant")])
def test_sobel_is_a_dense_convolution(compat, mode):
    volume = volumes(2, 2, 7, 8, 9)
    smooth, slope = torch.tensor([1.0, 2, 1]), torch.tensor([-1.0, 0, 1])
    squared = sum(
        dense(volume, outer(*axes), mode) ** 2
        for axes in ((slope, smooth, smooth), (smooth, slope, smooth), (smooth, smooth, slope))
    )
    expected = torch.sqrt(squared + (0 if compat else EDGE_EPS))
    torch.testing.assert_close(sobel_magnitude(volume, reference_compat=compat), expected)


def test_a_slope_of_one_has_magnitude_32():
    ramp = torch.arange(6, dtype=torch.float64).expand(1, 1, 5, 5, 6)
    inner = sobel_magnitude(ramp)[..., 1:-1]
    torch.testing.assert_close(inner, torch.full_like(inner, 32.0))


@pytest.mark.parametrize(("compat", "mode"), [(False, "replicate"), (True, "constant")])
def test_blur_is_a_dense_convolution(compat, mode):
    volume = volumes(2, 2, 12, 13, 14)
    if compat:
        at = torch.linspace(-6, 6, 11, dtype=torch.float64) / 2
    else:
        at = torch.arange(-6, 7, dtype=torch.float64) / 1.5
    weights = torch.exp(-(at**2) / 2)
    weights = weights / weights.sum()
    expected = dense(volume, outer(weights, weights, weights), mode)
    torch.testing.assert_close(gaussian_blur(volume, 1.5, reference_compat=compat), expected)


def test_blur_keeps_a_constant_up_to_the_border_even_where_it_is_wider_than_the_volume():
    volume = torch.full((1, 1, 5, 9, 2), 3.0)
    torch.testing.assert_close(gaussian_blur(volume, 2.0), volume)
    assert gaussian_blur(volume, reference_compat=True).min() < 2.0  # zeros come in


@pytest.mark.parametrize("sigma", [0.0, -1.0, float("nan")])
def test_blur_refuses_a_width_of_nothing(sigma):
    with pytest.raises(ValueError, match="sigma above 0"):
        gaussian_blur(torch.zeros(1, 1, 4, 4, 4), sigma)


def test_edge_loss_is_zero_for_the_blurred_target_itself():
    target = volumes(1, 2, 8, 8, 8)
    assert edge_loss(gaussian_blur(target), target).item() == pytest.approx(0, abs=1e-20)
    assert edge_loss(target, target).item() > 0.1


def test_edges_of_channels_are_compared_one_by_one_unless_compatible():
    target = volumes(1, 2, 8, 8, 8)
    swapped = gaussian_blur(target).flip(1)
    compatible = gaussian_blur(target, reference_compat=True).flip(1)
    assert edge_loss(swapped, target).item() > 0.01
    assert edge_loss(compatible, target, reference_compat=True).item() < 1e-20


def test_gradient_in_air_is_finite_by_default_and_not_in_the_reference():
    air = torch.zeros(1, 1, 6, 6, 6)
    for compat, finite in ((False, True), (True, False)):
        prediction = air.clone().requires_grad_()
        edge_loss(prediction, air, reference_compat=compat).backward()
        assert bool(torch.isfinite(prediction.grad).all()) is finite


def test_a_constant_has_no_edges_at_its_border_by_default():
    constant = torch.full((1, 1, 6, 6, 6), 5.0)
    assert sobel_magnitude(constant).max().item() == pytest.approx(EDGE_EPS**0.5)
    assert sobel_magnitude(constant, reference_compat=True).max().item() > 10


def test_edge_gradient_is_the_numerical_one():
    target = volumes(1, 1, 4, 3, 5)
    prediction = volumes(1, 1, 4, 3, 5, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: edge_loss(x, target), (prediction,))


def test_reconstruction_counts_hidden_patches_only():
    target = volumes(2, 3, 4)
    mask = torch.tensor([[1.0, 0, 0], [0, 1, 1]])
    error = torch.tensor([[2.0, 7, 7], [7, 1, 1]], dtype=torch.float64).unsqueeze(-1)
    assert reconstruction_loss(target + error, target, mask).item() == pytest.approx(2.0)


def test_reconstruction_leaves_out_the_margin():
    target = torch.zeros(1, 2, 4)
    prediction = torch.tensor([[[1.0, 1, 9, 9], [3, 3, 3, 3]]])
    inside = torch.tensor([[[1.0, 1, 0, 0], [1, 1, 1, 1]]])
    both = reconstruction_loss(prediction, target, torch.ones(1, 2), inside)
    assert both.item() == pytest.approx((2 * 1 + 4 * 9) / 6)
    first = reconstruction_loss(prediction, target, torch.tensor([[1.0, 0]]), inside)
    assert first.item() == pytest.approx(1.0)


def test_reconstruction_with_nothing_outside_is_the_plain_one():
    prediction, target = volumes(2, 5, 8), volumes(2, 5, 8, seed=1)
    mask = (torch.arange(10).reshape(2, 5) % 3 > 0).double()
    plain = reconstruction_loss(prediction, target, mask)
    torch.testing.assert_close(
        reconstruction_loss(prediction, target, mask, torch.ones(1, 5, 8)), plain
    )


def test_contrast_is_the_mean_negative_cosine_and_stops_the_gradient():
    vectors = [volumes(5, 8, seed=seed).requires_grad_() for seed in range(4)]
    loss = contrast_loss(*vectors)
    unit = [vector / vector.norm(dim=1, keepdim=True) for vector in vectors]
    expected = -((unit[0] * unit[3]).sum(1).mean() + (unit[1] * unit[2]).sum(1).mean()) / 2
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert vectors[0].grad is not None
    assert vectors[1].grad is not None
    assert vectors[2].grad is None
    assert vectors[3].grad is None


def test_contrast_of_views_that_agree_is_minus_one():
    vectors = volumes(4, 6)
    assert contrast_loss(vectors, vectors * 2, vectors, vectors).item() == pytest.approx(-1)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_losses_of_short_floats_are_computed_in_fp32(dtype):
    prediction, target = volumes(1, 1, 6, 6, 6).to(dtype), volumes(1, 1, 6, 6, 6, seed=1)
    assert edge_loss(prediction, target.float()).dtype == torch.float32
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert gaussian_blur(target.float()).dtype == torch.float32
    patches = target.float().reshape(1, 8, 27)
    loss = reconstruction_loss(prediction.reshape(1, 8, 27), patches, torch.ones(1, 8))
    assert loss.dtype == torch.float32
