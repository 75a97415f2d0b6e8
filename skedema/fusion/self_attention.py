"""Joint self-attention: scan and clinical variables in one transformer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skedema.fusion._checks import check_choice, check_count
from skedema.fusion._missing import without_missing
from skedema.fusion.base import Fusion
from skedema.modules.transformer import TransformerBlock

# As many weights as the paper's ReGLU of 4/3: 4 d^2.
_EXPANSION = 2.0


class SelfAttention(Fusion):
    """Transformer blocks over the tokens of the scan and of the variables, all at once.

    ``[z_1 + m_v; ...; z_T + m_v; t_1 + m_t; ...; t_K + m_t]`` through blocks of self-attention and
    an MLP, each with LayerNorm before and a residual around, after the FT-Transformer (Gorishniy,
    Rubachev, Khrulkov and Babenko, "Revisiting deep learning models for tabular data", NeurIPS
    2021, section 3.3). ``m_v`` and ``m_t`` are a learnable vector a modality.

    Parameters
    ----------
    depth : int, default=1
        Number of blocks. At least 1.
    missing : {"token", "mask"}, default="token"
        What stands for a missing scan or value. ``"token"``: its learnable vector, which is
        attended to as any other token. ``"mask"``: nothing. No token attends to it, and its place
        in the sequence holds zeros. Where nothing is known of a patient, all of it does.

    Notes
    -----
    The scan's tokens are an addition to the paper, which is on tables alone. Otherwise it differs
    from it in that the MLP has a GELU where the paper has ReGLU, the first block keeps its first
    LayerNorm, and there is no [CLS] token: all tokens are handed on, T + K of them, to the
    refiner. Without clinical variables the scan's tokens attend to each other. Attention is not
    reported: it is among all tokens, and none of it is that of the scan to the variables alone.

    Examples
    --------
    >>> from skedema.fusion import SelfAttention
    >>> fusion = SelfAttention(depth=2)
    >>> fusion.build(dim=16, n_heads=4, n_queries=6, n_variables=3, dropout=0.0).n_tokens
    9
    """

    def __init__(self, *, depth: int = 1, missing: str = "token") -> None:
        self.depth = depth
        self.missing = missing

    def build(
        self, *, dim: int, n_heads: int, n_queries: int, n_variables: int, dropout: float
    ) -> nn.Module:
        check_choice("missing", self.missing, ("token", "mask"))
        check_count("depth", self.depth)
        masked, n_tokens = self.missing == "mask", n_queries + n_variables
        return _SelfAttention(dim, n_heads, n_tokens, dropout, self.depth, masked)


class _SelfAttention(nn.Module):
    def __init__(
        self, dim: int, n_heads: int, n_tokens: int, dropout: float, depth: int, masked: bool
    ) -> None:
        super().__init__()
        self.n_tokens = n_tokens
        self.masked = masked
        self.modality = nn.Parameter(torch.empty(2, dim).uniform_(-(dim**-0.5), dim**-0.5))
        blocks = (TransformerBlock(dim, n_heads, _EXPANSION, dropout) for _ in range(depth))
        self.blocks = nn.Sequential(*blocks)

    def forward(self, queries: Tensor, tokens: Tensor, present: Tensor) -> tuple[Tensor, None]:
        mask = None
        if self.masked:
            queries, tokens, mask = without_missing(queries, tokens, present)
        joint = torch.cat([queries + self.modality[0], tokens + self.modality[1]], dim=1)
        for block in self.blocks:
            joint = block(joint, mask)
        return (joint if mask is None else joint.masked_fill(~mask.unsqueeze(-1), 0.0)), None
