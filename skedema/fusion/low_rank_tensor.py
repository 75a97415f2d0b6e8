"""Low-rank tensor fusion: all products of features of the scan and of the table, in few weights."""

from __future__ import annotations

from torch import Tensor, nn

from skedema.fusion._checks import check_count
from skedema.fusion.base import Fusion


class LowRankTensor(Fusion):
    """Low-rank multimodal fusion with a factor a modality.

    ``F = sum_i (U_i [z; 1]) * (V_i [x; 1])``, i from 1 to the rank: the outer product of
    ``[z; 1]`` and ``[x; 1]`` under a tensor of weights of low rank, without forming either (Liu et
    al., "Efficient low-rank multimodal fusion with modality-specific factors", ACL 2018, section
    3). The ones keep the features of each modality alone among the products.

    Parameters
    ----------
    rank : int, default=4
        Number of products that are summed. At least 1.

    Notes
    -----
    The modalities are two: z, the mean of the scan's tokens, and x, the variables' tokens side by
    side. A factor for every variable would multiply as many numbers as there are variables. The
    weights of the ones start at 1, which is ours, so that either modality alone and their product
    are all there from the start. Without clinical variables ``F = sum_i U_i [z; 1]``.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skedema import AttentionMixerClassifier
    >>> from skedema.fusion import LowRankTensor
    >>> clf = AttentionMixerClassifier(image="scan", fusion=LowRankTensor())
    >>> search = GridSearchCV(clf, {"fusion__rank": [2, 4, 8]})
    """

    def __init__(self, *, rank: int = 4) -> None:
        self.rank = rank

    def build(
        self, *, dim: int, n_heads: int, n_queries: int, n_variables: int, dropout: float
    ) -> nn.Module:
        check_count("rank", self.rank)
        return _LowRankTensor(dim, n_variables, self.rank)


class _LowRankTensor(nn.Module):
    n_tokens = 1

    def __init__(self, dim: int, n_variables: int, rank: int) -> None:
        super().__init__()
        self.rank = rank
        self.scan = _factor(dim, rank * dim)
        self.table = _factor(dim * n_variables, rank * dim) if n_variables else None

    def forward(self, queries: Tensor, tokens: Tensor, present: Tensor) -> tuple[Tensor, None]:
        products = self.scan(queries.mean(dim=1))
        if self.table is not None:
            products = products * self.table(tokens.flatten(1))
        return products.unflatten(1, (self.rank, -1)).sum(dim=1, keepdim=True), None


def _factor(width: int, out: int) -> nn.Linear:
    factor = nn.Linear(width, out)  # its bias is the weight of the one
    nn.init.ones_(factor.bias)
    return factor
