"""What fusions with ``missing="mask"`` share: tokens without what is missing."""

from __future__ import annotations

import torch
from torch import Tensor


def without_missing(
    queries: Tensor, tokens: Tensor, present: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Put to 0 what is missing, and give a mask of all T + K tokens, those of scans first."""
    scans, variables = by_kind(present, tokens)
    of_each = queries.shape[1] // scans.shape[1]
    there = scans.unsqueeze(2).expand(-1, -1, of_each).flatten(1)
    queries = queries.masked_fill(~there.unsqueeze(-1), 0.0)
    tokens = tokens.masked_fill(~variables.unsqueeze(-1), 0.0)
    return queries, tokens, torch.cat([there, variables], dim=1)


def by_kind(present: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Tell apart which scans there are, and which variables: one a token."""
    n_scans = present.shape[1] - tokens.shape[1]
    return present[:, :n_scans], present[:, n_scans:]
