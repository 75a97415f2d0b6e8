"""The pre-norm transformer block of the vision transformers, fast in fp32 and in bf16."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from skedema.modules.attention import keys_to_show
from skedema.modules.blockwise_attention import blockwise_attention
from skedema.modules.mixer import mlp

NORM_EPS = 1e-6  # of every LayerNorm in ViT-AE++
# Measured on an x86 CPU with avx512_bf16, forward and backward, 12 heads of 64: with 65 tokens the
# fused kernel took 14 ms in bf16 and the plain one 3 (5.5 and 5.8 in fp32).
_PLAIN_BELOW = 130


def attend(query: Tensor, key: Tensor, value: Tensor, shown: Tensor | None = None) -> Tensor:
    """Scaled dot-product attention by whichever kernel is faster.

    ``softmax(Q K^T / sqrt(d)) V`` (Vaswani et al., "Attention is all you need", NeurIPS 2017,
    equation 1). The fused kernel of torch, except on a CPU: for short sequences, and in bfloat16.
    Which one is a matter of type and length alone, never of how long it took just now, so that a
    run gives the same again.

    Parameters
    ----------
    query, key, value : Tensor of shape (B, H, T, d)
        Heads apart.
    shown : Tensor of bool of shape (B, T), default=None
        Which keys may be looked at, at least one of each patient. None: all.

    Returns
    -------
    Tensor of shape (B, H, T, d)
        The answer to each query.
    """
    mask = None if shown is None else shown[:, None, None]
    if query.device.type == "cpu" and query.shape[-2] < _PLAIN_BELOW:
        scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
        if mask is not None:
            scores = scores.masked_fill(~mask, -torch.inf)
        return torch.softmax(scores, dim=-1, dtype=value.dtype) @ value
    if query.device.type == "cpu" and query.dtype == torch.bfloat16 and mask is None:
        return blockwise_attention(query, key, value)
    return scaled_dot_product_attention(query, key, value, attn_mask=mask)


class TransformerBlock(nn.Module):
    """Self-attention, then an MLP, each with LayerNorm before and a residual around.

    The encoder block of Dosovitskiy et al., "An image is worth 16x16 words" (ICLR 2021),
    equations 2 and 3, by default with the LayerNorm eps of ViT-AE++.

    Parameters
    ----------
    dim : int
        Width D of a token.
    n_heads : int
        Number of heads; divides `dim`.
    expansion : float
        Hidden size of the MLP as a multiple of D.
    dropout : float
        Probability of dropping a hidden unit in training.
    qkv_bias : bool
        Whether queries, keys and values have a bias.
    eps : float
        Of both LayerNorms.
    """

    def __init__(
        self,
        dim: int,
        n_heads: int,
        expansion: float,
        dropout: float = 0.0,
        *,
        qkv_bias: bool = True,
        eps: float = NORM_EPS,
    ) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.attention_norm = nn.LayerNorm(dim, eps=eps)
        self.query_key_value = nn.Linear(dim, 3 * dim, bias=qkv_bias)
        self.project = nn.Linear(dim, dim)
        self.mlp_norm = nn.LayerNorm(dim, eps=eps)
        self.mlp = mlp(dim, int(expansion * dim), dropout)

    def forward(self, tokens: Tensor, present: Tensor | None = None) -> Tensor:
        """Transform.

        Parameters
        ----------
        tokens : Tensor of shape (B, T, D)
            The sequence.
        present : Tensor of bool of shape (B, T), default=None
            Which tokens there are: no other is looked at, though each looks at those. Where there
            is none, attention adds nothing. None: all.

        Returns
        -------
        Tensor of shape (B, T, D)
            The new sequence.
        """
        batch, length, dim = tokens.shape
        joint = self.query_key_value(self.attention_norm(tokens))
        query, key, value = joint.reshape(batch, length, 3, self.n_heads, -1).permute(2, 0, 3, 1, 4)
        shown, anything = (None, None) if present is None else keys_to_show(present)
        attended = attend(query, key, value, shown).transpose(1, 2).reshape(batch, length, dim)
        added = self.project(attended)
        if anything is not None:
            added = added.masked_fill(~anything[:, None, None], 0.0)
        tokens = tokens + added
        return cast(Tensor, tokens + self.mlp(self.mlp_norm(tokens)))


class CrossBlock(nn.Module):
    """Queries look at given tokens, and at no other query; then an MLP, as in `TransformerBlock`.

    The decoder block of Fu et al., "Rethinking patch dependence for masked autoencoders" (TMLR
    2025, arXiv:2401.14391), section 3.2: LayerNorm before and a residual around each half; keys and
    values are projected from the tokens as they are.

    Parameters
    ----------
    dim : int
        Width D of a query.
    tokens_dim : int
        Width E of a token.
    n_heads : int
        Number of heads; divides `dim`.
    expansion : float
        Hidden size of the MLP as a multiple of D.
    """

    def __init__(self, dim: int, tokens_dim: int, n_heads: int, expansion: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.attention_norm = nn.LayerNorm(dim, eps=NORM_EPS)
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(tokens_dim, 2 * dim)
        self.project = nn.Linear(dim, dim)
        self.mlp_norm = nn.LayerNorm(dim, eps=NORM_EPS)
        self.mlp = mlp(dim, int(expansion * dim), 0.0)

    def forward(self, queries: Tensor, tokens: Tensor) -> Tensor:
        """Ask.

        Parameters
        ----------
        queries : Tensor of shape (B, T, D)
            What asks.
        tokens : Tensor of shape (B, K, E)
            What is asked.

        Returns
        -------
        Tensor of shape (B, T, D)
            The new queries.
        """
        query = self._heads(self.query(self.attention_norm(queries)))
        key, value = (self._heads(part) for part in self.key_value(tokens).chunk(2, dim=-1))
        answer = attend(query, key, value).transpose(1, 2).flatten(2)
        queries = queries + self.project(answer)
        return cast(Tensor, queries + self.mlp(self.mlp_norm(queries)))

    def _heads(self, tokens: Tensor) -> Tensor:
        batch, length, _ = tokens.shape
        return tokens.reshape(batch, length, self.n_heads, -1).transpose(1, 2)
