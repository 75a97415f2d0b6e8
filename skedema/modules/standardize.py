"""Voxels brought to mean 0 and spread 1, by figures that are kept with the weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Standardize(nn.Module):
    """Shift and scale each channel of a volume by fixed figures; at first, leave it as it is.

    A head in a brain window is mostly 0 and 1: without this every patch of every scan looks to a
    network nearly the same.

    Parameters
    ----------
    n_channels : int
        Channels C of a volume.

    Examples
    --------
    >>> import torch
    >>> from skedema.modules.standardize import Standardize
    >>> standardize = Standardize(1)
    >>> standardize.set([2.0], [4.0])
    >>> standardize(torch.full((1, 1, 2, 2, 2), 10.0)).unique().tolist()
    [2.0]
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_channels))
        self.register_buffer("spread", torch.ones(n_channels))

    def set(self, mean: Sequence[float], spread: Sequence[float]) -> None:
        """State the figures.

        Parameters
        ----------
        mean, spread : sequence of C float
            What becomes 0, and what becomes 1 above it; spreads are above 0.
        """
        self.mean.copy_(torch.as_tensor(mean))
        self.spread.copy_(torch.as_tensor(spread))

    def forward(self, volumes: Tensor) -> Tensor:
        """Standardise.

        Parameters
        ----------
        volumes : Tensor of shape (B, C, X, Y, Z)
            Volumes as they are read.

        Returns
        -------
        Tensor of shape (B, C, X, Y, Z)
            Standardised.
        """
        return (volumes - self._column(self.mean)) / self._column(self.spread)

    def invert(self, volumes: Tensor) -> Tensor:
        """Undo it.

        Parameters
        ----------
        volumes : Tensor of shape (B, C, X, Y, Z)
            Standardised volumes.

        Returns
        -------
        Tensor of shape (B, C, X, Y, Z)
            Volumes as they are read.
        """
        return volumes * self._column(self.spread) + self._column(self.mean)

    @staticmethod
    def _column(figures: Tensor) -> Tensor:
        return figures.reshape(-1, 1, 1, 1)
