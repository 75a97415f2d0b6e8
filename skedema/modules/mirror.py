"""Volumes as they look mirrored left to right, and how both sides of a head compare."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn


def mirrored(volumes: Tensor) -> Tensor:
    """Mirror volumes left to right.

    Parameters
    ----------
    volumes : Tensor of shape (..., X, Y, Z)
        On RAS axes, as a `VolumeReader` gives them: x runs from left to right.

    Returns
    -------
    Tensor of shape (..., X, Y, Z)
        A new tensor.
    """
    return volumes.flip(-3)


class SideTokens(nn.Module):
    """The tokens of a volume beside those of its mirror image, for one half of the head.

    Parameters
    ----------
    tokens : Module
        Volumes (B, C, X, Y, Z) to tokens (B, T, D), in the order of its ``grid``.
    paired : bool, default=True
        Whether sides are compared. If not, there is no mirror image, and tokens are as they are.

    Attributes
    ----------
    grid : tuple of 3 int
        Tokens along each axis of what is given: half of x, rounded up, where sides are compared.

    Examples
    --------
    >>> import torch
    >>> from skedema.encoders import ViT
    >>> from skedema.modules.mirror import SideTokens
    >>> vit = ViT(dim=12, depth=1, patch=4).build(in_channels=1, shape=(12, 8, 8)).eval()
    >>> pairs, volume = SideTokens(vit), torch.rand(1, 1, 12, 8, 8)
    >>> pairs(volume).shape, pairs.grid
    (torch.Size([1, 2, 8, 12]), (2, 2, 2))
    >>> torch.equal(pairs(volume), pairs(mirrored(volume)))
    True
    """

    def __init__(self, tokens: nn.Module, paired: bool = True) -> None:
        super().__init__()
        self.tokens = tokens
        self.paired = paired
        across, along, up = cast(tuple[int, int, int], tokens.grid)
        self.grid = (-(-across // 2) if paired else across, along, up)

    def forward(self, volumes: Tensor) -> Tensor:
        """Encode.

        Parameters
        ----------
        volumes : Tensor of shape (B, C, X, Y, Z)
            On RAS axes.

        Returns
        -------
        Tensor of shape (B, 2, R, D), or (B, 1, R, D) where sides are not compared
            Of each of the R places in `grid`, the mean of both tokens there, of the volume and of
            its mirror image, and their absolute difference. A mirrored volume gives the same.
        """
        here = self._half(volumes)
        if not self.paired:
            return here.unsqueeze(1)
        there = self._half(mirrored(volumes))
        return torch.stack([(here + there) / 2, (here - there).abs()], dim=1)

    def _half(self, volumes: Tensor) -> Tensor:
        tokens = cast(Tensor, self.tokens(volumes))
        n_places = math.prod(self.grid)  # x is the slowest axis: the first ones are one half
        return tokens[:, :n_places]
