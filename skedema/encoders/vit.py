"""A 3-D vision transformer, trained from scratch."""

from __future__ import annotations

from typing import cast

import numpy as np
from torch import Tensor, nn
from torch.nn.functional import pad

from skedema.encoders.base import Encoder
from skedema.modules.positions import sincos_positions
from skedema.modules.transformer import TransformerBlock


class ViT(Encoder):
    """Patches of the volume as tokens, sine-cosine positions, pre-norm transformer blocks.

    Dosovitskiy et al., "An image is worth 16x16 words" (ICLR 2021), in three dimensions and
    without a class token.

    Parameters
    ----------
    dim : int, default=96
        Width of a token, at least 6: positions need a sine and a cosine an axis.
    depth : int, default=4
        Number of blocks.
    n_heads : int, default=4
        Attention heads; divides `dim`.
    patch : int or tuple of 3 int, default=16
        Voxels of a patch. A volume that is no multiple of it is padded with zeros at its end.
    dropout : float, default=0.0
        Probability of dropping a hidden unit in training.

    Examples
    --------
    >>> import torch
    >>> from skedema.encoders import ViT
    >>> network = ViT(dim=24, depth=1, patch=(16, 16, 8)).build(in_channels=1, shape=(32, 32, 20))
    >>> network(torch.zeros(1, 1, 32, 32, 20)).shape  # 2 x 2 x 3 patches
    torch.Size([1, 12, 24])
    """

    def __init__(
        self,
        *,
        dim: int = 96,
        depth: int = 4,
        n_heads: int = 4,
        patch: int | tuple[int, int, int] = 16,
        dropout: float = 0.0,
    ) -> None:
        self.dim = dim
        self.depth = depth
        self.n_heads = n_heads
        self.patch = patch
        self.dropout = dropout

    def build(self, *, in_channels: int, shape: tuple[int, int, int]) -> nn.Module:
        sides = np.ravel(self.patch).tolist() * (3 if np.ndim(self.patch) == 0 else 1)
        if len(sides) != 3 or min(*sides, self.dim, self.depth, self.n_heads) < 1:
            raise ValueError(
                "dim, depth, n_heads and the three sides of patch must be at least 1, got "
                f"dim={self.dim!r}, depth={self.depth!r}, n_heads={self.n_heads!r}, "
                f"patch={self.patch!r}."
            )
        if self.dim % self.n_heads:
            raise ValueError(f"n_heads={self.n_heads} must divide dim={self.dim}.")
        patch = (sides[0], sides[1], sides[2])
        grid = tuple(-(-size // side) for size, side in zip(shape, patch, strict=True))
        return _ViT(in_channels, grid, patch, self.dim, self.depth, self.n_heads, self.dropout)


class _ViT(nn.Module):
    def __init__(
        self,
        in_channels: int,
        grid: tuple[int, ...],
        patch: tuple[int, int, int],
        dim: int,
        depth: int,
        n_heads: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.grid = grid
        self.patch = patch
        self.embed = nn.Conv3d(in_channels, dim, patch, stride=patch)
        self.register_buffer("positions", sincos_positions(grid, dim)[1:])
        self.blocks = nn.Sequential(
            *(TransformerBlock(dim, n_heads, 4.0, dropout) for _ in range(depth))
        )
        self.norm = nn.LayerNorm(dim)

    def forward(self, volumes: Tensor) -> Tensor:
        margins = [-size % side for size, side in zip(volumes.shape[2:], self.patch, strict=True)]
        if any(margins):
            volumes = pad(volumes, [0, margins[2], 0, margins[1], 0, margins[0]])
        tokens = self.embed(volumes).flatten(2).transpose(1, 2) + self.positions
        return cast(Tensor, self.norm(self.blocks(tokens)))
