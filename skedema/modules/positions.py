"""Fixed positions of a 3-D grid, laid out as ViT-AE++ lays them out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad


def sincos_positions(grid: Sequence[int], dim: int) -> Tensor:
    """Sine-cosine positions of a 3-D grid in the channel layout of ViT-AE++.

    An axis with d channels gets ``[sin(p w_k), cos(p w_k)]``, ``w_k = 10000^(-2k/d)`` for
    k = 0, ..., d/2 - 1 (Vaswani et al., "Attention is all you need", NeurIPS 2017, section 3.5,
    one axis at a time). ViT-AE++ (Prabhakar et al., MIDL 2023; reference implementation
    chinmay5/vit_ae_plus_plus) gives the first ``dim // 3`` channels (one more if that is odd) to
    axis 1, as many to axis 0, and the rest to axis 2. Its table exists for cubes only; this one is
    the same there and exists for any grid.

    Parameters
    ----------
    grid : sequence of 3 int
        Number of patches along each axis.
    dim : int
        Width D of a token, even.

    Returns
    -------
    Tensor of shape (1 + prod(grid), dim)
        The class token's row first, zero; then the patches, the last axis running fastest.

    Raises
    ------
    ValueError
        When `dim` is odd, or has no room for a sine and a cosine an axis.

    Examples
    --------
    >>> from skedema.modules.positions import sincos_positions
    >>> tuple(sincos_positions((12, 12, 5), 48).shape)
    (721, 48)
    """
    if dim % 2 or dim < 6:
        raise ValueError(
            "Sine-cosine positions need an even width of at least 6, a sine and a cosine an axis; "
            f"got dim={dim}."
        )
    third = dim // 3 + dim // 3 % 2
    along = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in grid), indexing="ij")
    table = torch.cat(
        [
            _sincos(along[1].flatten(), third),
            _sincos(along[0].flatten(), third),
            _sincos(along[2].flatten(), dim - 2 * third),
        ],
        dim=1,
    )
    return torch.cat([torch.zeros(1, dim, dtype=table.dtype), table]).to(torch.get_default_dtype())


def stretched(table: Tensor, grid: Sequence[int]) -> Tensor:
    """Bring a table of learned positions to another grid, by trilinear interpolation.

    Parameters
    ----------
    table : Tensor of shape (X, Y, Z, D)
        A position a patch.
    grid : sequence of 3 int
        Number of patches along each axis.

    Returns
    -------
    Tensor of shape (*grid, D)
        The table itself where the grid is its own.
    """
    if tuple(table.shape[:3]) == tuple(grid):
        return table
    channels_first = table.permute(3, 0, 1, 2).unsqueeze(0)
    found = interpolate(channels_first, size=tuple(grid), mode="trilinear")
    return found[0].permute(1, 2, 3, 0)


def positions_in_order(n: int, dim: int) -> Tensor:
    """Sine-cosine positions along one axis.

    ``[sin(p w_k), cos(p w_k)]`` as in `sincos_positions`; the last channel of an odd width is 0.

    Parameters
    ----------
    n : int
        Number of places p.
    dim : int
        Width D of a token.

    Returns
    -------
    Tensor of shape (n, dim)
        In their order.
    """
    table = _sincos(torch.arange(n, dtype=torch.float64), dim)
    return pad(table, [0, dim % 2]).to(torch.get_default_dtype())


def _sincos(places: Tensor, width: int) -> Tensor:
    half = width // 2
    frequency = 10000.0 ** (-torch.arange(half, dtype=torch.float64) / max(half, 1))
    angles = torch.outer(places, frequency)
    return torch.cat([angles.sin(), angles.cos()], dim=1)
