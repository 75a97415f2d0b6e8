"""HyperFusion: the clinical variables make the weights of a layer that the scan goes through."""

from __future__ import annotations

from torch import Tensor, nn

from skedema.fusion._checks import check_count
from skedema.fusion.base import Fusion


class HyperFusion(Fusion):
    """A linear layer on the scan's tokens with weights made for each patient.

    ``F_j = W(x) z_j + b(x)`` with ``e = relu(U x + u)``, ``W(x) = I + reshape(A e)`` and
    ``b(x) = C e + c``: a hypernetwork on the clinical variables gives the weights of a layer of
    the image network (Duenias, Nichyporuk, Arbel and Riklin Raviv, "HyperFusion: a hypernetwork
    approach to multimodal integration of tabular and medical imaging data for predictive
    modeling", Medical Image Analysis 2025, arXiv 2403.13319).

    Parameters
    ----------
    embedding : int, default=8
        Width of e; 8 is that of the authors' model of Alzheimer's disease. At least 1.

    Notes
    -----
    x is the variables' tokens side by side. In the authors' model of Alzheimer's disease the layer
    is the convolution of one voxel in the shortcut of the last residual block, which is a linear
    layer at every position, as here at every token. The identity in W is ours: the fusion starts
    near it. A has at first the variance ``1 / (width of e * d)``, that of Chang, Flokas and
    Lipson, "Principled weight initialization for hypernetworks" (ICLR 2020), for an e of variance
    1. A has ``embedding * d * d`` weights, so that the number of weights grows with the square of
    the model's width. The layer is a product of each patient's matrix with that patient's tokens.
    Without clinical variables the scan's tokens are handed on as they are.

    Examples
    --------
    >>> from skedema.fusion import HyperFusion
    >>> fusion = HyperFusion(embedding=4)
    >>> module = fusion.build(dim=16, n_heads=4, n_queries=6, n_variables=3, dropout=0.0)
    >>> module.weight.weight.shape  # makes a matrix of 16 x 16 out of 4 numbers
    torch.Size([256, 4])
    """

    def __init__(self, *, embedding: int = 8) -> None:
        self.embedding = embedding

    def build(
        self, *, dim: int, n_heads: int, n_queries: int, n_variables: int, dropout: float
    ) -> nn.Module:
        check_count("embedding", self.embedding)
        return _HyperFusion(dim, n_queries, n_variables, dropout, self.embedding)


class _HyperFusion(nn.Module):
    def __init__(
        self, dim: int, n_queries: int, n_variables: int, dropout: float, embedding: int
    ) -> None:
        super().__init__()
        self.n_tokens = n_queries
        self.embed: nn.Module | None = None
        if n_variables:
            self.embed = nn.Sequential(
                nn.Linear(dim * n_variables, embedding), nn.ReLU(), nn.Dropout(dropout)
            )
            self.weight = nn.Linear(embedding, dim * dim, bias=False)
            self.shift = nn.Linear(embedding, dim)
            bound = (3 / (embedding * dim)) ** 0.5  # a uniform variable has the variance bound^2/3
            nn.init.uniform_(self.weight.weight, -bound, bound)

    def forward(self, queries: Tensor, tokens: Tensor, present: Tensor) -> tuple[Tensor, None]:
        if self.embed is None:
            return queries, None
        embedded = self.embed(tokens.flatten(1))
        weight = self.weight(embedded).unflatten(1, (queries.shape[-1], -1))  # (B, d, d)
        changed = queries @ weight.transpose(1, 2) + self.shift(embedded).unsqueeze(1)
        return queries + changed, None
