"""What fusions with ``missing="mask"`` share: tokens without what is missing."""

from __future__ import annotations

import torch
from torch import Tensor


def without_missing(
    queries: Tensor, tokens: Tensor, present: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Put to 0 what is missing, and give a mask of all T + K tokens, those of the scan first."""
    scan, variables = present[:, :1], present[:, 1:]
    queries = queries.masked_fill(~scan.unsqueeze(-1), 0.0)
    tokens = tokens.masked_fill(~variables.unsqueeze(-1), 0.0)
    return queries, tokens, torch.cat([scan.expand(-1, queries.shape[1]), variables], dim=1)
