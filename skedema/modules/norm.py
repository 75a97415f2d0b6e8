"""Normalisation over groups of channels, in which no patient influences another."""

from __future__ import annotations

from torch import nn


def group_norm(n_channels: int, *, affine: bool = True) -> nn.GroupNorm:
    """Make a GroupNorm of as many groups as divide the channels, eight at most.

    Parameters
    ----------
    n_channels : int
        Channels of the feature map.
    affine : bool
        Whether it has weights.

    Returns
    -------
    GroupNorm
        Of 8, 4, 2 or 1 groups.
    """
    n_groups = next(n for n in (8, 4, 2, 1) if n_channels % n == 0)
    return nn.GroupNorm(n_groups, n_channels, affine=affine)
