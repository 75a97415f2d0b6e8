"""Cross-attention that also hands out its weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def keys_to_show(present: Tensor) -> tuple[Tensor, Tensor]:
    """Mark the keys that a softmax may see, which needs at least one of each patient.

    Parameters
    ----------
    present : Tensor of bool of shape (B, K)
        Which keys there are.

    Returns
    -------
    shown : Tensor of bool of shape (B, K)
        Those, or all keys of a patient who has none: a softmax over nothing is not a number, and
        neither is its gradient.
    anything : Tensor of bool of shape (B,)
        Who has any; what comes out for the others is to be put to 0.
    """
    anything = present.any(dim=1)
    return present | ~anything.unsqueeze(1), anything


class MultiHeadCrossAttention(nn.Module):
    """Multi-head attention of queries over keys and values.

    ``softmax(Q K^T / sqrt(d / H)) V`` a head, heads concatenated and projected (Vaswani et al.,
    "Attention is all you need", NeurIPS 2017, section 3.2). Written out, since the fused kernels
    of torch do not return the weights a patient.

    Parameters
    ----------
    dim : int
        Width d of queries, keys and values.
    n_heads : int
        Number of heads H; divides `dim`.
    dropout : float
        Probability of dropping an attention weight in training.
    """

    def __init__(self, dim: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.output = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, queries: Tensor, tokens: Tensor, present: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Attend.

        Parameters
        ----------
        queries : Tensor of shape (B, T, d)
            What asks.
        tokens : Tensor of shape (B, K, d)
            What is asked: keys and values.
        present : Tensor of bool of shape (B, K), default=None
            Which of them there are; the others get the weight 0. None: all.

        Returns
        -------
        attended : Tensor of shape (B, T, d)
            The answer to each query; 0 where there is nothing to ask.
        weights : Tensor of shape (B, H, T, K)
            Where each query looked, before dropout; sums to 1 over K, or is 0 where there is
            nothing to ask.
        """
        if torch.is_inference_mode_enabled() and present is None and queries.shape[1] == 1:
            return self._asked_once(queries, tokens)
        query = self._split(self.query(queries))
        key, value = (self._split(part) for part in self.key_value(tokens).chunk(2, dim=-1))
        scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
        if present is not None:
            shown, anything = keys_to_show(present)
            scores = scores.masked_fill(~shown[:, None, None], -torch.inf)
        weights = torch.softmax(scores, dim=-1)
        attended = self.dropout(weights) @ value
        answer = self.output(attended.transpose(1, 2).flatten(2))
        if present is not None:
            answer = answer.masked_fill(~anything[:, None, None], 0.0)
            weights = weights.masked_fill(~anything[:, None, None, None], 0.0)
        return answer, weights

    def _asked_once(self, queries: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Attend with one query in half the time, where the last bits do not matter.

        A product of one row by a few is slow to call for each patient and head.
        """
        batch, n_keys, _ = tokens.shape
        query = self.query(queries).reshape(batch, 1, self.n_heads, -1)
        pairs = self.key_value(tokens).reshape(batch, n_keys, 2, self.n_heads, -1)
        key, value = pairs.unbind(2)
        scores = (key * query).sum(dim=-1) * query.shape[-1] ** -0.5
        weights = torch.softmax(scores, dim=1)  # (B, K, H)
        attended = (weights.unsqueeze(-1) * value).sum(dim=1)
        answer = self.output(attended.flatten(1).unsqueeze(1))
        return answer, weights.transpose(1, 2).unsqueeze(2)

    def _split(self, x: Tensor) -> Tensor:
        batch, length, _ = x.shape
        return x.reshape(batch, length, self.n_heads, -1).transpose(1, 2)
