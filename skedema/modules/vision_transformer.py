"""A vision transformer with a class token and learned positions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from skedema.modules.positions import sincos_positions
from skedema.modules.transformer import NORM_EPS, TransformerBlock

_EXPANSION = 4.0


class Widths(NamedTuple):
    """The sizes of a vision transformer, and what its blocks are like.

    Parameters
    ----------
    dim, depth, n_heads : int
        Width of a token, blocks, and heads.
    qkv_bias : bool
        Whether queries, keys and values have a bias.
    eps : float
        Of the LayerNorms within blocks.
    """

    dim: int
    depth: int
    n_heads: int
    qkv_bias: bool = True
    eps: float = NORM_EPS

    def blocks(self) -> nn.ModuleList:
        """Make the blocks.

        Returns
        -------
        ModuleList
            Of `TransformerBlock`, with hidden layers four times as wide.
        """
        return nn.ModuleList(
            TransformerBlock(
                self.dim, self.n_heads, _EXPANSION, qkv_bias=self.qkv_bias, eps=self.eps
            )
            for _ in range(self.depth)
        )


def grid_of(shape: Sequence[int], patch: Sequence[int]) -> tuple[int, int, int]:
    """Tell how many patches fill a volume along each axis.

    Parameters
    ----------
    shape : sequence of 3 int
        Voxels of a volume.
    patch : sequence of 3 int
        Voxels of a patch.

    Returns
    -------
    tuple of 3 int
        The grid.

    Raises
    ------
    ValueError
        When patches do not fill it.
    """
    if any(side % of or side < of for side, of in zip(shape, patch, strict=True)):
        raise ValueError(
            f"Patches of {tuple(patch)} voxels do not fill a volume of {tuple(shape)} voxels; "
            "give volume= a shape of which each side is a multiple of the patch's."
        )
    first, second, third = (side // of for side, of in zip(shape, patch, strict=True))
    return first, second, third


class VisionTransformer(nn.Module):
    """Patches as tokens after a class token, positions that are learned, pre-norm blocks.

    Dosovitskiy et al., "An image is worth 16x16 words" (ICLR 2021), in three dimensions. The class
    token has no position.

    Parameters
    ----------
    in_channels : int
        Channels C of a volume.
    shape : tuple of 3 int
        Voxels (X, Y, Z) of a volume.
    patch : tuple of 3 int
        Voxels of a patch.
    widths : Widths
        Sizes, and what blocks are like.

    Attributes
    ----------
    grid : tuple of 3 int
        Tokens along each axis, after those of the whole.
    n_whole : int
        Tokens of the whole volume, which come first: 1.

    Raises
    ------
    ValueError
        When patches do not fill a volume.
    """

    n_whole = 1

    def __init__(
        self,
        in_channels: int,
        shape: tuple[int, int, int],
        patch: tuple[int, int, int],
        widths: Widths,
    ) -> None:
        super().__init__()
        self.grid = grid_of(shape, patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, widths.dim))
        self.embed = nn.Conv3d(in_channels, widths.dim, patch, stride=patch)
        self.positions = nn.Parameter(sincos_positions(self.grid, widths.dim)[1:].unsqueeze(0))
        self.blocks = widths.blocks()
        self.norm = nn.LayerNorm(widths.dim, eps=NORM_EPS)

    def forward(self, volumes: Tensor) -> Tensor:
        """Encode.

        Parameters
        ----------
        volumes : Tensor of shape (B, C, X, Y, Z)
            Volumes.

        Returns
        -------
        Tensor of shape (B, 1 + L, D)
            The class token and the patches, the last axis running fastest, after the final norm.
        """
        tokens = self.embed(volumes).flatten(2).transpose(1, 2) + self.positions
        tokens = torch.cat([self.class_token.expand(tokens.shape[0], -1, -1), tokens], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        return cast(Tensor, self.norm(tokens))

    def layers(self) -> list[list[nn.Parameter]]:
        """List the parameters layer by layer, from the volume on.

        Returns
        -------
        list of list of Parameter
            Embedding, class token and positions, every block, the final norm with the last block.
        """
        return transformer_layers(self, [self.class_token, self.positions])


def transformer_layers(network: nn.Module, first: list[nn.Parameter]) -> list[list[nn.Parameter]]:
    """List parameters layer by layer: embedding with `first`, blocks, norm with the last block."""
    embed, blocks, norm = (getattr(network, name) for name in ("embed", "blocks", "norm"))
    layers = [[*embed.parameters(), *first], *(list(block.parameters()) for block in blocks)]
    layers[-1] += list(norm.parameters())
    return layers
