"""The pre-norm transformer block and the positions of a 3-D grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from skedema.modules.mixer import mlp


class TransformerBlock(nn.Module):
    """Self-attention, then an MLP, each with LayerNorm before and a residual around.

    The encoder block of Dosovitskiy et al., "An image is worth 16x16 words" (ICLR 2021),
    equations 2 and 3.

    Parameters
    ----------
    dim : int
        Width d of a token.
    n_heads : int
        Number of heads; divides `dim`.
    expansion : float
        Hidden size of the MLP as a multiple of d.
    dropout : float
        Probability of dropping a hidden unit in training.
    """

    def __init__(self, dim: int, n_heads: int, expansion: float, dropout: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.attention_norm = nn.LayerNorm(dim)
        self.query_key_value = nn.Linear(dim, 3 * dim)
        self.project = nn.Linear(dim, dim)
        self.mlp_norm = nn.LayerNorm(dim)
        self.mlp = mlp(dim, round(expansion * dim), dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Transform.

        Parameters
        ----------
        tokens : Tensor of shape (B, T, d)
            The sequence.

        Returns
        -------
        Tensor of shape (B, T, d)
            The new sequence.
        """
        batch, length, dim = tokens.shape
        joint = self.query_key_value(self.attention_norm(tokens))
        query, key, value = joint.reshape(batch, length, 3, self.n_heads, -1).permute(2, 0, 3, 1, 4)
        attended = scaled_dot_product_attention(query, key, value)
        tokens = tokens + self.project(attended.transpose(1, 2).reshape(batch, length, dim))
        return cast(Tensor, tokens + self.mlp(self.mlp_norm(tokens)))


def grid_positions(grid: Sequence[int], dim: int) -> Tensor:
    """Sine-cosine positions of a 3-D grid.

    Each axis takes a third of the channels, ``[sin(p w), cos(p w)]`` with ``w_k = 10000^(-2k/c)``
    for the c channels of an axis (Vaswani et al. 2017, section 3.5, an axis at a time); channels
    that do not divide are zero.

    Parameters
    ----------
    grid : sequence of 3 int
        Number of tokens along each axis.
    dim : int
        Width d of a token.

    Returns
    -------
    Tensor of shape (prod(grid), dim)
        In the order of a flattened grid, the last axis running fastest.

    Raises
    ------
    ValueError
        When `dim` has no room for a sine and a cosine an axis.
    """
    width = dim // 6
    if not width:
        raise ValueError(
            f"dim={dim} has no room for 3-D positions, a sine and a cosine an axis: it must be at "
            "least 6."
        )
    frequency = 10000.0 ** (-torch.arange(width, dtype=torch.float64) / width)
    axes = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in grid), indexing="ij")
    parts = []
    for axis in axes:
        angle = axis.reshape(-1, 1) * frequency
        parts += [angle.sin(), angle.cos()]
    table = torch.cat(parts, dim=1)
    padding = torch.zeros(len(table), dim - table.shape[1], dtype=table.dtype)
    return torch.cat([table, padding], dim=1).to(torch.get_default_dtype())
