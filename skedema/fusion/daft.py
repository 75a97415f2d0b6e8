"""DAFT: scale and shift of the scan's features from the scan and the clinical variables."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skedema.fusion._checks import check_count
from skedema.fusion.base import Fusion


class DAFT(Fusion):
    """The dynamic affine feature map transform of every token of the scan.

    ``F_j = z_j + alpha * z_j + beta`` with ``[alpha; beta] = W_2 relu(W_1 [mean_j z_j; x])``: a
    scale and a shift a feature, the same at every position j, from a network with a bottleneck
    and without biases that sees the pooled scan and the clinical variables (Poelsterl, Wolf and
    Wachinger, "Combining 3D image and tabular data via the dynamic affine feature map transform",
    MICCAI 2021).

    Parameters
    ----------
    bottleneck : int, default=7
        Width of the bottleneck; 7 is the default of the authors' code. At least 1.

    Notes
    -----
    x is the variables' tokens side by side, and the tokens of the scan stand for the positions of
    the feature map. The paper transforms the input of a convolution in a residual block, whose
    shortcut carries the features past it; the sum ``z_j + ...`` is that shortcut, so that the
    fusion starts near the identity. Without clinical variables the scan's tokens are handed on as
    they are.

    Examples
    --------
    >>> from skedema import AttentionMixerClassifier
    >>> from skedema.fusion import DAFT
    >>> clf = AttentionMixerClassifier(image="scan", fusion=DAFT(bottleneck=14))
    >>> clf.set_params(fusion__bottleneck=21).fusion
    DAFT(bottleneck=21)
    """

    def __init__(self, *, bottleneck: int = 7) -> None:
        self.bottleneck = bottleneck

    def build(
        self, *, dim: int, n_heads: int, n_queries: int, n_variables: int, dropout: float
    ) -> nn.Module:
        check_count("bottleneck", self.bottleneck)
        return _DAFT(dim, n_queries, n_variables, dropout, self.bottleneck)


class _DAFT(nn.Module):
    def __init__(
        self, dim: int, n_queries: int, n_variables: int, dropout: float, bottleneck: int
    ) -> None:
        super().__init__()
        self.n_tokens = n_queries
        self.generate: nn.Module | None = None
        if n_variables:
            self.generate = nn.Sequential(
                nn.Linear(dim * (1 + n_variables), bottleneck, bias=False),
                nn.ReLU(),
                nn.Dropout(dropout),
                nn.Linear(bottleneck, 2 * dim, bias=False),
            )

    def forward(self, queries: Tensor, tokens: Tensor, present: Tensor) -> tuple[Tensor, None]:
        if self.generate is None:
            return queries, None
        seen = torch.cat([queries.mean(dim=1), tokens.flatten(1)], dim=1)
        scale, shift = self.generate(seen).unsqueeze(1).chunk(2, dim=-1)
        return queries + scale * queries + shift, None
