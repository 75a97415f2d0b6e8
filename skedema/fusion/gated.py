"""Gated multimodal units: a gate a feature decides between scan and clinical variables."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skedema.fusion.base import Fusion


class Gated(Fusion):
    """The gated multimodal unit: features of the scan or of the table, feature by feature.

    ``h_v = tanh(W_v z)``, ``h_t = tanh(W_t x)``, ``g = sigmoid(W_g [z; x])`` and
    ``F = g * h_v + (1 - g) * h_t``: the unit for two modalities of Arevalo, Solorio,
    Montes-y-Gomez and Gonzalez, "Gated multimodal units for information fusion" (ICLR 2017
    workshop, arXiv 1702.01992), without biases, as there.

    Notes
    -----
    z is the mean of the scan's tokens, x the variables' tokens side by side. Without clinical
    variables there is nothing to decide between, and ``F = h_v``.

    Examples
    --------
    >>> import torch
    >>> from skedema.fusion import Gated
    >>> gated = Gated().build(dim=8, n_heads=2, n_queries=5, n_variables=3, dropout=0.0)
    >>> scan, table, present = torch.ones(1, 5, 8), torch.ones(1, 3, 8), torch.ones(1, 4) > 0
    >>> fused, _ = gated(scan, table, present)
    >>> fused.shape, bool(fused.abs().max() < 1)
    (torch.Size([1, 1, 8]), True)
    """

    def build(
        self, *, dim: int, n_heads: int, n_queries: int, n_variables: int, dropout: float
    ) -> nn.Module:
        return _Gated(dim, n_variables)


class _Gated(nn.Module):
    n_tokens = 1

    def __init__(self, dim: int, n_variables: int) -> None:
        super().__init__()
        self.scan = nn.Linear(dim, dim, bias=False)
        self.table: nn.Module | None = None
        if n_variables:
            self.table = nn.Linear(dim * n_variables, dim, bias=False)
            self.gate = nn.Linear(dim * (1 + n_variables), dim, bias=False)

    def forward(self, queries: Tensor, tokens: Tensor, present: Tensor) -> tuple[Tensor, None]:
        scan = queries.mean(dim=1)
        fused = torch.tanh(self.scan(scan))
        if self.table is not None:
            table = tokens.flatten(1)
            gate = torch.sigmoid(self.gate(torch.cat([scan, table], dim=1)))
            fused = gate * fused + (1 - gate) * torch.tanh(self.table(table))
        return fused.unsqueeze(1), None
