"""A small 3-D convolutional network."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from skedema.encoders.base import Encoder
from skedema.modules.norm import group_norm


class CNN(Encoder):
    """Strided 3-D convolutions, each halving the grid and doubling the channels.

    Every stage is a 3 x 3 x 3 convolution of stride 2, GroupNorm and GELU. GroupNorm keeps a
    patient's features independent of the batch.

    Parameters
    ----------
    width : int, default=16
        Channels of the first stage, at least 1.
    depth : int, default=4
        Number of stages, at least 1. The features are ``width * 2**(depth - 1)`` wide, one token a
        cell of the last grid.

    Examples
    --------
    >>> import torch
    >>> from skedema.encoders import CNN
    >>> network = CNN(width=8, depth=3).build(in_channels=2, shape=(32, 32, 32))
    >>> network(torch.zeros(1, 2, 32, 32, 32)).shape  # 4 x 4 x 4 tokens, 32 wide
    torch.Size([1, 64, 32])
    """

    def __init__(self, *, width: int = 16, depth: int = 4) -> None:
        self.width = width
        self.depth = depth

    def build(self, *, in_channels: int, shape: tuple[int, int, int]) -> nn.Module:
        if self.width < 1 or self.depth < 1:
            raise ValueError(
                f"width and depth must be at least 1, got {self.width!r} and {self.depth!r}."
            )
        grid = tuple(-(-side // 2**self.depth) for side in shape)  # a half, rounded up, each time
        return _CNN(in_channels, grid, self.width, self.depth)


class _CNN(nn.Module):
    def __init__(self, in_channels: int, grid: tuple[int, ...], width: int, depth: int) -> None:
        super().__init__()
        self.grid = grid
        stages: list[nn.Module] = []
        for stage in range(depth):
            out_channels = width * 2**stage
            stages += [
                nn.Conv3d(in_channels, out_channels, 3, stride=2, padding=1),
                group_norm(out_channels),
                nn.GELU(),
            ]
            in_channels = out_channels
        self.stages = nn.Sequential(*stages)

    def forward(self, volumes: Tensor) -> Tensor:
        return cast(Tensor, self.stages(volumes).flatten(2).transpose(1, 2))
