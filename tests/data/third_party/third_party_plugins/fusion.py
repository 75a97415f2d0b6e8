"""A fusion of another package."""

from __future__ import annotations

from torch import nn

from skedema.fusion import Fusion


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
