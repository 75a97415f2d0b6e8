"""A convolutional network over the patches of a volume."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from skedema.modules.axes import order_of, turned, turned_back
from skedema.modules.vision_transformer import grid_of


class Patchwise(nn.Module):
    """Encode each patch of a volume by itself: the mean of the last map is its token.

    Parameters
    ----------
    network : Module
        Patches (B, C, a, b, c) to a list of maps, the last of which counts.
    shape : tuple of 3 int
        Voxels (X, Y, Z) of a volume on RAS axes.
    patch : tuple of 3 int
        Voxels of a patch, on the axes of the network.
    axes : str
        Where the axes of the network run to; see `skedema.modules.axes.turned`.

    Attributes
    ----------
    grid : tuple of 3 int
        Patches along each axis, on RAS axes.

    Raises
    ------
    ValueError
        When patches do not fill a volume.
    """

    def __init__(
        self,
        network: nn.Module,
        shape: tuple[int, int, int],
        patch: tuple[int, int, int],
        axes: str,
    ) -> None:
        super().__init__()
        self.network = network
        self.patch, self.axes = patch, axes
        self.turned_grid = grid_of(order_of(shape, axes), patch)
        grid = turned_back(torch.empty(*self.turned_grid, device="meta"), axes).shape
        self.grid = (grid[0], grid[1], grid[2])

    def forward(self, volumes: Tensor) -> Tensor:
        """Encode.

        Parameters
        ----------
        volumes : Tensor of shape (B, C, X, Y, Z)
            Volumes.

        Returns
        -------
        Tensor of shape (B, L, D)
            A token a patch, in the order of `grid`.
        """
        seen = turned(volumes, self.axes)
        sides = [side for pair in zip(self.turned_grid, self.patch, strict=True) for side in pair]
        apart = seen.reshape(*seen.shape[:2], *sides).permute(0, 2, 4, 6, 1, 3, 5, 7)
        maps = self.network(apart.flatten(0, 3))
        vectors = cast(Tensor, maps[-1]).flatten(2).mean(dim=2)
        laid = vectors.reshape(volumes.shape[0], *self.turned_grid, -1).permute(0, 4, 1, 2, 3)
        return turned_back(laid, self.axes).flatten(2).transpose(1, 2)

    def layers(self) -> list[list[nn.Parameter]]:
        """List the parameters level by level, from the volume on.

        Returns
        -------
        list of list of Parameter
            The first convolution, then each level.
        """
        network: Any = self.network
        levels = [network.conv_init, *network.layers]
        return [list(level.parameters()) for level in levels]
