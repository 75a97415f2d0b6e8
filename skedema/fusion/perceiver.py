"""Perceiver IO: a few latent vectors read scan and variables, and a query reads them."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from skedema.fusion._checks import check_choice, check_count
from skedema.fusion._missing import without_missing
from skedema.fusion.base import Fusion
from skedema.modules.attention import MultiHeadCrossAttention
from skedema.modules.mixer import mlp
from skedema.modules.transformer import TransformerBlock

_EXPANSION = 2  # of the MLPs


class Perceiver(Fusion):
    """Encode all tokens into a latent array, process that, decode it by one query.

    ``L = cross(latents, [z + m_v; t + m_t])``, blocks of self-attention over L, and
    ``F = cross(query, L)``, where latents, query and the modalities' ``m_v`` and ``m_t`` are
    learnable, and ``cross(a, b)`` is ``u + mlp(norm(u))`` with
    ``u = a + MultiHead(Q = norm(a), K = V = norm(b))`` (Jaegle et al., "Perceiver IO: a general
    architecture for structured inputs and outputs", ICLR 2022, section 3). The cost grows with
    the number of tokens, not with its square.

    Parameters
    ----------
    n_latents : int, default=8
        Vectors in the latent array. At least 1.
    depth : int, default=1
        Blocks of self-attention over them. At least 1.
    missing : {"token", "mask"}, default="token"
        What stands for a missing scan or value. ``"token"``: its learnable vector, which is
        attended to as any other token. ``"mask"``: nothing. The latents do not read it. Where
        nothing is known of a patient, reading adds nothing to them.

    Notes
    -----
    The paper has hundreds of latent vectors for inputs of thousands of elements; a scan's tokens
    and a table are fewer. Latents and query start from a normal distribution of deviation 0.02,
    cut off. Without clinical variables the latents read the scan alone. Attention is not reported:
    the query attends to latents, not to variables.

    Examples
    --------
    >>> from skedema import AttentionMixerClassifier
    >>> from skedema.fusion import Perceiver
    >>> clf = AttentionMixerClassifier(image="scan", fusion=Perceiver(n_latents=4, missing="mask"))
    >>> clf.get_params()["fusion__n_latents"]
    4
    """

    def __init__(self, *, n_latents: int = 8, depth: int = 1, missing: str = "token") -> None:
        self.n_latents = n_latents
        self.depth = depth
        self.missing = missing

    def build(
        self, *, dim: int, n_heads: int, n_queries: int, n_variables: int, dropout: float
    ) -> nn.Module:
        check_choice("missing", self.missing, ("token", "mask"))
        check_count("n_latents", self.n_latents)
        check_count("depth", self.depth)
        masked = self.missing == "mask"
        return _Perceiver(dim, n_heads, dropout, self.n_latents, self.depth, masked)


class _Perceiver(nn.Module):
    n_tokens = 1

    def __init__(
        self, dim: int, n_heads: int, dropout: float, n_latents: int, depth: int, masked: bool
    ) -> None:
        super().__init__()
        self.masked = masked
        self.modality = nn.Parameter(torch.empty(2, dim).uniform_(-(dim**-0.5), dim**-0.5))
        self.latents = nn.Parameter(nn.init.trunc_normal_(torch.empty(n_latents, dim), std=0.02))
        self.query = nn.Parameter(nn.init.trunc_normal_(torch.empty(1, dim), std=0.02))
        self.encode = _CrossBlock(dim, n_heads, dropout)
        blocks = (TransformerBlock(dim, n_heads, _EXPANSION, dropout) for _ in range(depth))
        self.process = nn.Sequential(*blocks)
        self.decode = _CrossBlock(dim, n_heads, dropout)

    def forward(self, queries: Tensor, tokens: Tensor, present: Tensor) -> tuple[Tensor, None]:
        mask = None
        if self.masked:
            queries, tokens, mask = without_missing(queries, tokens, present)
        joint = torch.cat([queries + self.modality[0], tokens + self.modality[1]], dim=1)
        latents = self.process(
            self.encode(self.latents.expand(joint.shape[0], -1, -1), joint, mask)
        )
        return self.decode(self.query.expand(joint.shape[0], -1, -1), latents), None


class _CrossBlock(nn.Module):
    """Cross-attention, then an MLP, each with LayerNorm before and a residual around."""

    def __init__(self, dim: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.query_norm = nn.LayerNorm(dim)
        self.token_norm = nn.LayerNorm(dim)
        self.attend = MultiHeadCrossAttention(dim, n_heads, dropout)
        self.mlp_norm = nn.LayerNorm(dim)
        self.mlp = mlp(dim, _EXPANSION * dim, dropout)

    def forward(self, queries: Tensor, tokens: Tensor, present: Tensor | None = None) -> Tensor:
        attended, _ = self.attend(self.query_norm(queries), self.token_norm(tokens), present)
        queries = queries + attended
        return cast(Tensor, queries + self.mlp(self.mlp_norm(queries)))
