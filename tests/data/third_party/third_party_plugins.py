"""An encoder, a fusion and a refiner of another package."""

from __future__ import annotations

import torch
from torch import nn

from skedema.encoders import Encoder
from skedema.fusion import Fusion
from skedema.refiners import Refiner


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


class Total(Fusion):
    """The sum of everything."""

    def __init__(self, *, scale: float = 1.0) -> None:
        self.scale = scale

    def build(self, *, dim, n_heads, n_queries, n_variables, dropout):
        return _Total(self.scale)


class _Total(nn.Module):
    n_tokens = 1

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, queries, tokens, present):
        total = queries.mean(dim=1, keepdim=True) + tokens.sum(dim=1, keepdim=True)
        return self.scale * total, None


class Gate(Refiner):
    """Channels that switch each other off."""

    def build(self, *, dim, n_tokens, depth, dropout):
        return _Gate(dim)


class _Gate(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gate = nn.Linear(dim, dim)

    def forward(self, sequence):
        return sequence * torch.sigmoid(self.gate(sequence))
