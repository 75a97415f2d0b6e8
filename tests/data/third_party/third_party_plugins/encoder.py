"""An encoder of another package."""

from __future__ import annotations

from torch import nn

from skedema.encoders import Encoder


class SliceMeans(Encoder):
    """The mean of each axial slice, embedded: a token a slice."""

    def __init__(self, *, dim: int = 4) -> None:
        self.dim = dim

    def build(self, *, in_channels, shape):
        return _SliceMeans(in_channels, self.dim)


class _SliceMeans(nn.Module):
    def __init__(self, in_channels: int, dim: int) -> None:
        super().__init__()
        self.embed = nn.Linear(in_channels, dim)

    def forward(self, volumes):
        return self.embed(volumes.mean(dim=(2, 3)).transpose(1, 2))
