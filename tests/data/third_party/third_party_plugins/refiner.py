"""A refiner of another package."""

from __future__ import annotations

import torch
from torch import nn

from skedema.refiners import Refiner


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
