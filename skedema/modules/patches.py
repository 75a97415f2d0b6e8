"""Volumes cut into patches and put together again."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pad


class Patches(nn.Module):
    """Cut volumes of one shape into patches, and put them together again.

    Within a patch voxels stand in the order (px, py, pz, C), as ViT-AE++ orders its predictions;
    patches stand in the order of the grid, the last axis running fastest. A volume that is no
    multiple of the patch is continued at its end with its own last voxels (not with zeros, which
    would make an edge), and `inside` tells the voxels that are its own, so that losses count no
    others.

    Parameters
    ----------
    shape : tuple of 3 int
        Voxels (X, Y, Z) of a volume.
    patch : tuple of 3 int
        Voxels (px, py, pz) of a patch.
    in_channels : int
        Channels C of a volume.

    Attributes
    ----------
    grid : tuple of 3 int
        Patches along each axis.
    n_patches : int
        Patches L of a volume.
    patch_size : int
        Values of a patch: px py pz C.
    inside : Tensor of shape (1, L, px py pz C) or None
        1 for the volume's own voxels, 0 for the margin; None where there is no margin.
    """

    inside: Tensor | None

    def __init__(
        self, shape: tuple[int, int, int], patch: tuple[int, int, int], in_channels: int
    ) -> None:
        super().__init__()
        self.shape = shape
        self.patch = patch
        self.in_channels = in_channels
        self.grid = cast(
            tuple[int, int, int], tuple(-(-n // p) for n, p in zip(shape, patch, strict=True))
        )
        self.n_patches = math.prod(self.grid)
        self.patch_size = math.prod(patch) * in_channels
        self.margins = [-n % p for n, p in zip(shape, patch, strict=True)]
        inside = None
        if any(self.margins):
            own = pad(torch.ones(1, in_channels, *shape), self._padding())
            inside = self._cut(own)
        self.register_buffer("inside", inside, persistent=False)

    def forward(self, volumes: Tensor) -> Tensor:
        """Cut.

        Parameters
        ----------
        volumes : Tensor of shape (B, C, X, Y, Z)
            Volumes of the stated shape.

        Returns
        -------
        Tensor of shape (B, L, px py pz C)
            Their patches.
        """
        return self._cut(self.widen(volumes))

    def widen(self, volumes: Tensor) -> Tensor:
        """Add the margin.

        Parameters
        ----------
        volumes : Tensor of shape (B, C, X, Y, Z)
            Volumes of the stated shape.

        Returns
        -------
        Tensor of shape (B, C, gx px, gy py, gz pz)
            Whole patches.

        Raises
        ------
        ValueError
            When channels or voxels are not as stated.
        """
        if tuple(volumes.shape[1:]) != (self.in_channels, *self.shape):
            raise ValueError(
                f"Volumes of {self.in_channels} channels and {self.shape} voxels were expected, "
                f"got a tensor of shape {tuple(volumes.shape)}. Resample them, or build the "
                "network for their shape."
            )
        if any(self.margins):
            return pad(volumes, self._padding(), mode="replicate")
        return volumes

    def join(self, patches: Tensor) -> Tensor:
        """Put patches together, without the margin.

        Parameters
        ----------
        patches : Tensor of shape (B, L, px py pz C)
            As `forward` gives them.

        Returns
        -------
        Tensor of shape (B, C, X, Y, Z)
            The volumes.
        """
        whole = patches.reshape(len(patches), *self.grid, *self.patch, self.in_channels)
        whole = whole.permute(0, 7, 1, 4, 2, 5, 3, 6).reshape(
            len(patches),
            self.in_channels,
            *(n * p for n, p in zip(self.grid, self.patch, strict=True)),
        )
        x, y, z = self.shape
        return whole[:, :, :x, :y, :z]

    def as_kernel(self, weight: Tensor) -> Tensor:
        """Reshape the weight of a linear map of patches to the convolution that equals it.

        Parameters
        ----------
        weight : Tensor of shape (D, px py pz C)
            One row an output.

        Returns
        -------
        Tensor of shape (D, C, px, py, pz)
            Its kernel.
        """
        apart = weight.reshape(len(weight), *self.patch, self.in_channels)
        return apart.permute(0, 4, 1, 2, 3)

    def _cut(self, volumes: Tensor) -> Tensor:
        sides = [side for pair in zip(self.grid, self.patch, strict=True) for side in pair]
        apart = volumes.reshape(*volumes.shape[:2], *sides)
        return apart.permute(0, 2, 4, 6, 3, 5, 7, 1).reshape(
            len(volumes), self.n_patches, self.patch_size
        )

    def _padding(self) -> list[int]:
        return [side for margin in reversed(self.margins) for side in (0, margin)]
