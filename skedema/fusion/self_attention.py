"""Joint self-attention: scan and clinical variables in one transformer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

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

    Notes
    -----
    The scan's tokens are an addition to the paper, which is on tables alone. Otherwise it differs
    from it in that the MLP has a GELU where the paper has ReGLU, the first block keeps its first
    LayerNorm, and there is no [CLS] token: all tokens are handed on, T + K of them, to the
    refiner. Without clinical variables the scan's tokens attend to each other. Attention is not
    reported: it is among all tokens, and none of it is that of the scan to the variables alone.
    """

    def __init__(self, *, depth: int = 1) -> None:
        self.depth = depth

    def build(
        self, *, dim: int, n_heads: int, n_queries: int, n_variables: int, dropout: float
    ) -> nn.Module:
        """Make the module; see `Fusion.build`.

        Parameters
        ----------
        dim, n_heads, n_queries, n_variables, dropout
            As in `Fusion.build`.

        Returns
        -------
        Module
            The fusion, of as many tokens as scan and variables have.

        Raises
        ------
        ValueError
            When `depth` is below 1.
        """
        if self.depth < 1:
            raise ValueError(f"depth must be at least 1, got {self.depth!r}.")
        return _SelfAttention(dim, n_heads, n_queries + n_variables, dropout, self.depth)


class _SelfAttention(nn.Module):
    def __init__(self, dim: int, n_heads: int, n_tokens: int, dropout: float, depth: int) -> None:
        super().__init__()
        self.n_tokens = n_tokens
        self.modality = nn.Parameter(torch.empty(2, dim).uniform_(-(dim**-0.5), dim**-0.5))
        blocks = (TransformerBlock(dim, n_heads, _EXPANSION, dropout) for _ in range(depth))
        self.blocks = nn.Sequential(*blocks)

    def forward(self, queries: Tensor, tokens: Tensor) -> tuple[Tensor, None]:
        joint = torch.cat([queries + self.modality[0], tokens + self.modality[1]], dim=1)
        return self.blocks(joint), None
