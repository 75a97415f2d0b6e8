"""FiLM: the clinical variables scale and shift the features of the scan."""

from __future__ import annotations

from torch import Tensor, nn

from skedema.fusion.base import Fusion


class FiLM(Fusion):
    """Feature-wise linear modulation of every token of the scan.

    ``F_j = gamma(x) * z_j + beta(x)``, a scale and a shift a feature, the same at every position j
    (Perez, Strub, de Vries, Dumoulin and Courville, "FiLM: visual reasoning with a general
    conditioning layer", AAAI 2018, equations 1 and 2). As there, the network gives
    ``gamma - 1``, so that it starts near the identity.

    Notes
    -----
    x is the variables' tokens side by side. The paper leaves the network that gives gamma and beta
    open (it has a recurrent one, for questions in words); here it is one hidden layer of the
    model's width with a GELU. The tokens of the scan stand for the positions of the feature map,
    and what follows a FiLM layer in the paper's residual block is left to the refiner. Without
    clinical variables the scan's tokens are handed on as they are.

    Examples
    --------
    >>> import torch
    >>> from skedema.fusion import FiLM
    >>> film = FiLM().build(dim=8, n_heads=2, n_queries=5, n_variables=3, dropout=0.0)
    >>> scan, table, present = torch.zeros(1, 5, 8), torch.ones(1, 3, 8), torch.ones(1, 4) > 0
    >>> fused, _ = film(scan, table, present)  # of a scan of zeros the shift alone is left
    >>> fused.shape, bool((fused == fused[:, :1]).all())
    (torch.Size([1, 5, 8]), True)
    """

    def build(
        self, *, dim: int, n_heads: int, n_queries: int, n_variables: int, dropout: float
    ) -> nn.Module:
        return _FiLM(dim, n_queries, n_variables, dropout)


class _FiLM(nn.Module):
    def __init__(self, dim: int, n_queries: int, n_variables: int, dropout: float) -> None:
        super().__init__()
        self.n_tokens = n_queries
        self.generate: nn.Module | None = None
        if n_variables:
            self.generate = nn.Sequential(
                nn.Linear(dim * n_variables, dim),
                nn.GELU(),
                nn.Dropout(dropout),
                nn.Linear(dim, 2 * dim),
            )

    def forward(self, queries: Tensor, tokens: Tensor, present: Tensor) -> tuple[Tensor, None]:
        if self.generate is None:
            return queries, None
        scale, shift = self.generate(tokens.flatten(1)).unsqueeze(1).chunk(2, dim=-1)
        return (1 + scale) * queries + shift, None
