"""The losses of ViT-AE++, each a function of tensors.

Prabhakar et al., "ViT-AE++: improving vision transformer autoencoder for self-supervised medical
image representations" (MIDL 2023); the reference implementation is chinmay5/vit_ae_plus_plus. Its
third loss, a perceptual one, is left out: it needs the weights of an image classifier that cannot
be shipped, and in the reference it has no gradient.

The defaults mend what in the reference looks unintended; ``reference_compat=True`` is the
reference, number for number. Everything is computed in fp32 or better, whatever autocast says.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor, cat
from torch.nn.functional import cosine_similarity, pad

EDGE_EPS = 1e-6  # squared intensity; a flat place gets an edge of 1e-3 and a gradient of zero


def reconstruction_loss(
    prediction: Tensor, target: Tensor, mask: Tensor, inside: Tensor | None = None
) -> Tensor:
    """Mean squared error over the voxels of the hidden patches.

    ``sum_i m_i (p_i - t_i)^2 / sum_i m_i`` over all voxels i with m_i = 1 in hidden patches (He et
    al., "Masked autoencoders are scalable vision learners", CVPR 2022, section 3; raw intensities,
    not normalised a patch). Voxels outside the volume have m_i = 0.

    Parameters
    ----------
    prediction, target : Tensor of shape (B, L, P)
        Patches.
    mask : Tensor of shape (B, L)
        1 where a patch was hidden.
    inside : Tensor of shape (1, L, P), optional
        1 for voxels of the volume, 0 for its margin; see `skedema.modules.patches.Patches`.

    Returns
    -------
    Tensor of shape ()
        The loss.
    """
    squared = (_full(prediction) - _full(target)).square()
    if inside is None:
        hidden = mask.to(squared.dtype)
        return (squared.mean(dim=-1) * hidden).sum() / hidden.sum()
    weight = mask.to(squared.dtype).unsqueeze(-1) * inside
    return (squared * weight).sum() / weight.sum()


def edge_loss(
    prediction: Tensor,
    target: Tensor,
    *,
    blur_sigma: float = 1.0,
    reference_compat: bool = False,
    where: Tensor | None = None,
) -> Tensor:
    """Mean squared difference between the edges of the prediction and of the blurred target.

    ``mean (|S p| - |S (G t)|)^2`` with the Sobel magnitude of `sobel_magnitude` and the blur G of
    `gaussian_blur` (Prabhakar et al. 2023, section 2). Shown and hidden voxels count alike.

    Parameters
    ----------
    prediction, target : Tensor of shape (B, C, X, Y, Z)
        Volumes.
    blur_sigma : float
        Width of the blur in voxels. One voxel takes 85 % of the standard deviation of white noise
        out of the target and is about as wide as the Sobel filter's own smoothing (0.7 voxel).
    reference_compat : bool
        The reference's blur (where `blur_sigma` has no say), zero padding and plain root; and its
        edges of several channels added up before they are compared, instead of each compared.
    where : Tensor of shape (B, C, X, Y, Z), optional
        What each voxel counts in the mean. None: 1.

    Returns
    -------
    Tensor of shape ()
        The loss.
    """
    with torch.no_grad():
        blurred = gaussian_blur(target, blur_sigma, reference_compat=reference_compat)
        wanted = sobel_magnitude(blurred, reference_compat=reference_compat)
    found = sobel_magnitude(prediction, reference_compat=reference_compat)
    if reference_compat:
        found, wanted = found.sum(dim=1), wanted.sum(dim=1)
    off = (found - wanted).square()
    return off.mean() if where is None else (off * where).mean()


def sobel_magnitude(volumes: Tensor, *, reference_compat: bool = False) -> Tensor:
    """Magnitude of the 3-D Sobel gradient, not normalised.

    ``sqrt(g_x^2 + g_y^2 + g_z^2)``, where g_x differences by [-1, 0, 1] along x and smooths by
    [1, 2, 1] along y and z, and so on (Sobel and Feldman 1968 in three dimensions): a slope of 1
    a voxel has magnitude 32. The filters are separable, so a few sums of slices are enough.

    Parameters
    ----------
    volumes : Tensor of shape (B, C, X, Y, Z)
        Volumes.
    reference_compat : bool
        By default borders are continued with their own voxels, and `EDGE_EPS` is added under the
        root, whose slope at zero is otherwise infinite and makes NaN of the gradient in air. In the
        reference borders are continued with zeros, which makes edges of them, and nothing is added.

    Returns
    -------
    Tensor of shape (B, C, X, Y, Z)
        The magnitude at each voxel.
    """
    volumes = _full(volumes)
    widened = pad(volumes, [1] * 6) if reference_compat else _continued(volumes)
    smooth_z, slope_z = _smooth(widened, 4), _slope(widened, 4)
    smooth_yz = _smooth(smooth_z, 3)
    squared = (
        _slope(smooth_yz, 2).square()
        + _smooth(_slope(smooth_z, 3), 2).square()
        + _smooth(_smooth(slope_z, 3), 2).square()
    )
    return squared.sqrt() if reference_compat else (squared + EDGE_EPS).sqrt()


def gaussian_blur(volumes: Tensor, sigma: float = 1.0, *, reference_compat: bool = False) -> Tensor:
    """Blur with a Gaussian, one axis after the other.

    Weights ``exp(-(i / sigma)^2 / 2)`` at whole voxels i up to 4 sigma away, normalised. Along an
    axis it is a product with an n x n matrix, borders included, which a CPU does faster than a
    convolution.

    Parameters
    ----------
    volumes : Tensor of shape (B, C, X, Y, Z)
        Volumes.
    sigma : float
        Width in voxels, above 0.
    reference_compat : bool
        By default borders are continued with their own voxels. The reference continues them with
        zeros and takes 11 weights at ``linspace(-6, 6, 11) / 2``: sigma 2 at steps of 1.2 voxels,
        which is a blur of 1.67; `sigma` has no say.

    Returns
    -------
    Tensor of shape (B, C, X, Y, Z)
        The blurred volumes.

    Raises
    ------
    ValueError
        When `sigma` is not above 0.
    """
    if not sigma > 0:
        raise ValueError(f"A blur needs sigma above 0 voxels, got {sigma}.")
    volumes = _full(volumes)
    along = [
        _blur_matrix(n, sigma, reference_compat).to(volumes.device, volumes.dtype)
        for n in volumes.shape[2:]
    ]
    with torch.autocast(volumes.device.type, enabled=False):
        blurred = (along[0] @ volumes.flatten(3)).reshape(volumes.shape)
        return along[1] @ blurred @ along[2].T


def contrast_loss(
    predicted1: Tensor, predicted2: Tensor, projected1: Tensor, projected2: Tensor
) -> Tensor:
    """Negative cosine between what one view predicts and what the other is, both ways.

    ``-(cos(p1, sg z2) + cos(p2, sg z1)) / 2``, averaged; no gradient flows into z, sg (Chen and He,
    "Exploring simple Siamese representation learning", CVPR 2021, equations 1 to 4). From -1 for
    views that agree.

    Parameters
    ----------
    predicted1, predicted2 : Tensor of shape (N, D)
        The predictor's answers p1 and p2.
    projected1, projected2 : Tensor of shape (N, D)
        What it was given, z1 and z2.

    Returns
    -------
    Tensor of shape ()
        The loss.
    """
    one = cosine_similarity(_full(predicted1), _full(projected2).detach(), dim=-1)
    two = cosine_similarity(_full(predicted2), _full(projected1).detach(), dim=-1)
    return -(one.mean() + two.mean()) / 2


def _continued(volumes: Tensor) -> Tensor:
    # As pad(mode="replicate"), whose gradient differs from run to run on a GPU.
    for axis in (2, 3, 4):
        last = volumes.shape[axis] - 1
        ends = volumes.narrow(axis, 0, 1), volumes.narrow(axis, last, 1)
        volumes = cat([ends[0], volumes, ends[1]], dim=axis)
    return volumes


def _smooth(volumes: Tensor, axis: int) -> Tensor:
    n = volumes.shape[axis] - 1
    pairs = volumes.narrow(axis, 0, n) + volumes.narrow(axis, 1, n)  # [1, 2, 1] = [1, 1] * [1, 1]
    return pairs.narrow(axis, 0, n - 1) + pairs.narrow(axis, 1, n - 1)


def _slope(volumes: Tensor, axis: int) -> Tensor:
    n = volumes.shape[axis] - 2
    return volumes.narrow(axis, 2, n) - volumes.narrow(axis, 0, n)


@functools.lru_cache(maxsize=32)
def _blur_matrix(n: int, sigma: float, reference_compat: bool) -> Tensor:
    if reference_compat:
        at = torch.linspace(-6, 6, 11, dtype=torch.float64) / 2
    else:
        reach = max(1, round(4 * sigma))
        at = torch.arange(-reach, reach + 1, dtype=torch.float64) / sigma
    weights = torch.exp(-at.square() / 2)
    weights /= weights.sum()
    centre = torch.arange(n).unsqueeze(1)
    source = centre + torch.arange(len(at)) - len(at) // 2
    weights = weights.expand(n, -1)
    if reference_compat:
        weights = weights * ((source >= 0) & (source < n))
    return torch.zeros(n, n, dtype=torch.float64).scatter_add(1, source.clamp(0, n - 1), weights)


def _full(values: Tensor) -> Tensor:
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values
