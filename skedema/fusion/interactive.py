"""Interactive fusion: the clinical variables multiply the channels of the scan."""

from __future__ import annotations

from torch import Tensor, nn

from skedema.fusion.base import Fusion


class Interactive(Fusion):
    """Channel-wise multiplication of the scan by features of the clinical variables.

    ``F_j = s(x) * z_j``, one factor a channel, the same at every position j, by a small network on
    the clinical variables (Duanmu et al., "Prediction of pathological complete response to
    neoadjuvant chemotherapy in breast cancer using deep learning with integrative imaging,
    molecular and demographic data", MICCAI 2020).

    Notes
    -----
    x is the variables' tokens side by side, and the tokens of the scan stand for the positions of
    the feature map. The paper multiplies at several depths of its CNN; a fusion stands behind the
    encoder and does so once. Here the network has one hidden layer of the model's width with a
    ReLU and gives ``s - 1``, which is ours: factors that start near 1 leave the scan visible.
    Without clinical variables the scan's tokens are handed on as they are.

    Examples
    --------
    >>> import torch
    >>> from skedema.fusion import Interactive
    >>> module = Interactive().build(dim=8, n_heads=2, n_queries=5, n_variables=3, dropout=0.0)
    >>> scan, table, present = torch.zeros(1, 5, 8), torch.ones(1, 3, 8), torch.ones(1, 4) > 0
    >>> fused, _ = module(scan, table, present)
    >>> bool(fused.any())  # factors make nothing out of a scan of zeros
    False
    """

    def build(
        self, *, dim: int, n_heads: int, n_queries: int, n_variables: int, dropout: float
    ) -> nn.Module:
        return _Interactive(dim, n_queries, n_variables, dropout)


class _Interactive(nn.Module):
    def __init__(self, dim: int, n_queries: int, n_variables: int, dropout: float) -> None:
        super().__init__()
        self.n_tokens = n_queries
        self.generate: nn.Module | None = None
        if n_variables:
            self.generate = nn.Sequential(
                nn.Linear(dim * n_variables, dim),
                nn.ReLU(),
                nn.Dropout(dropout),
                nn.Linear(dim, dim),
            )

    def forward(self, queries: Tensor, tokens: Tensor, present: Tensor) -> tuple[Tensor, None]:
        if self.generate is None:
            return queries, None
        return (1 + self.generate(tokens.flatten(1)).unsqueeze(1)) * queries, None
