"""Volumes through a network of images, slice by slice."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad

#: What becomes of the features of slices.
SlicePool = Literal["mean", "max", "slices"]


class SliceNetwork(nn.Module):
    """Axial slices as images, whose channels are those of the volume.

    A slice is shown as it is read: the front of the head at the top, the patient's right at the
    left. It is padded to a square, brought to the size that the backbone takes, and normalised.

    Parameters
    ----------
    backbone : Module
        ``(N, channels, size, size) -> (N, D)``.
    size : int
        Pixels a side of the images that it takes.
    mean, std : sequence of float
        Of each channel, by which images of 0 to 1 are normalised: taken off, and divided by.
    n_slices : int
        Slices Z of a volume.
    pool : {"mean", "max", "slices"}
        ``"mean"`` and ``"max"`` are over the slices that show something, that is any value above
        0; over all where none does. ``"slices"``: a token each, from the base up.
    origin : mapping of str to str
        Where the weights come from.

    Attributes
    ----------
    grid : tuple of 3 int
        1, 1 and the number of slices.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from skedema.modules.slice_network import SliceNetwork
    >>> layers = nn.Conv2d(3, 8, 4, stride=4), nn.AdaptiveMaxPool2d(1), nn.Flatten()
    >>> backbone = nn.Sequential(*layers)
    >>> network = SliceNetwork(backbone, 32, [0.5] * 3, [0.5] * 3, 6, "slices", {})
    >>> network(torch.zeros(1, 3, 20, 24, 6)).shape
    torch.Size([1, 6, 8])
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: nn.Module,
        size: int,
        mean: Sequence[float],
        std: Sequence[float],
        n_slices: int,
        pool: SlicePool,
        origin: Mapping[str, str],
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.size = size
        self.grid = (1, 1, n_slices)
        self.pool: SlicePool = pool
        self.origin = dict(origin)
        self.register_buffer("mean", torch.tensor(list(mean)).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(list(std)).view(-1, 1, 1))

    def forward(self, volumes: Tensor) -> Tensor:
        """Encode.

        Parameters
        ----------
        volumes : Tensor of shape (B, C, X, Y, Z)
            On RAS axes, from 0 to 1; a single channel is shown in all channels of the backbone.

        Returns
        -------
        Tensor of shape (B, 1, D), or (B, Z, D) of ``"slices"``
            The features.
        """
        n_scans, _, _, _, n_slices = volumes.shape
        features = cast(Tensor, self.backbone(self.images(volumes)))
        slices = features.view(n_scans, n_slices, -1)
        if self.pool == "slices":
            return slices
        shown = (volumes > 0).flatten(1, 3).any(dim=1)
        shown = (shown | ~shown.any(dim=1, keepdim=True)).unsqueeze(-1)
        if self.pool == "max":
            return slices.masked_fill(~shown, -torch.inf).amax(dim=1, keepdim=True)
        total = torch.where(shown, slices, 0.0).sum(dim=1, keepdim=True)
        return total / shown.sum(dim=1, keepdim=True)

    def images(self, volumes: Tensor) -> Tensor:
        """Make images of the slices.

        Parameters
        ----------
        volumes : Tensor of shape (B, C, X, Y, Z)
            As in `forward`.

        Returns
        -------
        Tensor of shape (B * Z, channels, size, size)
            From the base up.
        """
        images = volumes.permute(0, 4, 1, 3, 2).flatten(0, 1).flip(-1, -2)
        height, width = images.shape[-2:]
        side = max(height, width)
        left, top = (side - width) // 2, (side - height) // 2
        images = pad(images, [left, side - width - left, top, side - height - top])
        if side != self.size:
            size = (self.size, self.size)
            images = interpolate(images, size, mode="bilinear", antialias=self.size < side)
        return (images - self.mean) / self.std

    def with_pool(self, pool: SlicePool) -> SliceNetwork:
        """Copy it, with other features.

        Parameters
        ----------
        pool : {"mean", "max", "slices"}
            As the parameter.

        Returns
        -------
        SliceNetwork
            With weights of its own.
        """
        made = copy.deepcopy(self)
        made.pool = pool
        return made

    def layers(self) -> list[list[nn.Parameter]]:
        """List the parameters layer by layer, from the image on.

        Returns
        -------
        list of list of Parameter
            What comes before the blocks of the backbone, each block, and what follows with the
            last. The blocks are the parts of the list or sequence that has most parameters.
        """
        every = list(self.backbone.parameters())
        blocks = _blocks(self.backbone)
        if not blocks:
            return [every]
        where = {id(p): k for k, block in enumerate(blocks) for p in block.parameters()}
        layers: list[list[nn.Parameter]] = [[] for _ in range(len(blocks) + 1)]
        begun = False
        for parameter in every:
            begun = begun or id(parameter) in where
            last = len(blocks) - 1 if begun else -1
            layers[where.get(id(parameter), last) + 1].append(parameter)
        return [layer for layer in layers if layer]


def _blocks(backbone: nn.Module) -> list[nn.Module]:
    """Find the parts that follow each other: of nested ones the outermost."""
    lists = [
        [part for part in each.children() if any(True for _ in part.parameters())]
        for each in backbone.modules()
        if isinstance(each, nn.ModuleList | nn.Sequential)
    ]
    several = [parts for parts in lists if len(parts) > 1]
    return max(several, key=_n_parameters, default=[])


def _n_parameters(parts: Sequence[nn.Module]) -> int:
    return sum(p.numel() for part in parts for p in part.parameters())
