"""What ViT-AE++ minimises: one step's losses from two views of each scan."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, cat

from skedema.modules.autoencoder_losses import contrast_loss, edge_loss, reconstruction_loss
from skedema.modules.masked_autoencoder import MaskedAutoencoder, pooled


class PretrainingLosses(NamedTuple):
    """The losses of one step.

    Parameters
    ----------
    total : Tensor of shape ()
        ``reconstruction + edge_weight edge + contrast_weight contrast``.
    reconstruction, edge, contrast : Tensor of shape ()
        Its parts, not weighted; zero where the weight is.
    """

    total: Tensor
    reconstruction: Tensor
    edge: Tensor
    contrast: Tensor


def pretraining_losses(
    model: MaskedAutoencoder,
    view1: Tensor,
    view2: Tensor,
    noise1: Tensor,
    noise2: Tensor,
    *,
    edge_weight: float = 0.01,
    contrast_weight: float = 0.001,
    blur_sigma: float = 1.0,
    reference_compat: bool = False,
) -> PretrainingLosses:
    """Hide parts of two views of each scan, rebuild the first and compare both.

    The contrast compares, a scan, the pooled vectors of both views (`pooled`, of the patches
    shown): the very vector that `MaskedAutoencoder.features` gives later. The reference compares
    the token in slot i of one view with the token in slot i of the other, though under independent
    masks these are patches of different places. Comparing only places shown in both would need
    views that lie on one another, which flips and rotations forbid.

    A ``"cross"`` decoder predicts some of the hidden patches only, and both losses of voxels are
    means over these. An edge needs neighbours, across the border of a patch as well: what was not
    predicted is there as it is in the scan. The contrast is of the encoder alone, and the same.

    Parameters
    ----------
    model : MaskedAutoencoder
        The network.
    view1, view2 : Tensor of shape (B, C, X, Y, Z)
        Two views of the same B scans.
    noise1, noise2 : Tensor of shape (B, L)
        What hides patches of each view; see `MaskedAutoencoder.forward`.
    edge_weight : float
        Weight of `edge_loss`. The reference starts from 0.01 and lets it fall linearly to zero over
        the epochs; so can the caller.
    contrast_weight : float
        Weight of `contrast_loss`; with 0 the second view is not encoded.
    blur_sigma : float
        As in `edge_loss`.
    reference_compat : bool
        Compute what the reference does: see `edge_loss`, and the contrast over every token slot,
        the class token's too, after the final norm. With ``predictor_norm="batch"`` in the model it
        is the reference to the last rounding.

    Returns
    -------
    PretrainingLosses
        The total, with a gradient, and its parts.
    """
    contrasts = contrast_weight != 0
    views = cat([view1, view2]) if contrasts else view1
    noise = cat([noise1, noise2]) if contrasts else noise1
    tokens, shown = model.encode_shown(views, noise)  # both views at once: larger products
    n_scans = len(view1)
    normed = model.norm(tokens)
    seen = model.standardize(view1)
    rebuilt, patches, counts = _rebuilt(model, seen, normed[:n_scans], shown[:n_scans], noise1)
    total = rebuilt
    edge = contrast = rebuilt.new_zeros(())
    if edge_weight != 0:
        edge = edge_loss(
            model.patches.join(patches),
            seen,
            blur_sigma=blur_sigma,
            reference_compat=reference_compat,
            where=None if counts is None else model.patches.join(counts),
        )
        total = total + edge_weight * edge
    if contrasts:
        vectors = normed if reference_compat else pooled(tokens)
        projected1, projected2 = (part.reshape(-1, part.shape[-1]) for part in vectors.chunk(2))
        contrast = contrast_loss(
            model.predictor(projected1), model.predictor(projected2), projected1, projected2
        )
        total = total + contrast_weight * contrast
    return PretrainingLosses(total, rebuilt, edge, contrast)


def _rebuilt(
    model: MaskedAutoencoder, seen: Tensor, tokens: Tensor, shown: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Give the reconstruction loss; and for that of edges patches, and what each voxel counts."""
    target, inside = model.patches(seen), model.patches.inside
    if model.decoder == "self":
        prediction = model.decode(tokens, shown)
        return reconstruction_loss(prediction, target, model.mask(shown), inside), prediction, None
    asked = model.asked(noise)
    prediction = model.decode(tokens, shown, asked).to(target.dtype)
    places = asked.unsqueeze(-1).expand_as(prediction)
    own = None if inside is None else inside.expand_as(target).gather(1, places)
    every = target.new_ones(asked.shape)
    loss = reconstruction_loss(prediction, target.gather(1, places), every, own)
    # As a mean over the volume, so that a part of a batch is weighted by its scans, not voxels.
    counts = torch.zeros_like(target).scatter(1, places, model.n_patches / model.n_asked)
    return loss, target.scatter(1, places, prediction), counts
