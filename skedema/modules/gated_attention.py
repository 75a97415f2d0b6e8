"""Attention that picks from a bag of tokens: which of them a whole is made of, is learned."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn


class GatedAttention(nn.Module):
    """Pool tokens by gated attention.

    Multiple-instance learning (Ilse, Tomczak and Welling, "Attention-based deep multiple instance
    learning", ICML 2018, equations 7 and 9): ``z = sum_t a_t h_t``, where the weights ``a`` are
    the softmax over t of ``w' (tanh(V h_t) * sigmoid(U h_t))``. A finding in a single slice is not
    diluted by the others, as it is in their mean.

    Parameters
    ----------
    dim : int
        Width d of a token; that of the attention is the same.

    Examples
    --------
    >>> import torch
    >>> from skedema.modules.gated_attention import GatedAttention
    >>> pool = GatedAttention(8)
    >>> pool(torch.zeros(2, 5, 8)).shape
    torch.Size([2, 1, 8])
    >>> pool.weights(torch.zeros(1, 5, 8))  # of tokens that are alike
    tensor([[0.2000, 0.2000, 0.2000, 0.2000, 0.2000]]...
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.value = nn.Linear(dim, dim)
        self.gate = nn.Linear(dim, dim)
        self.score = nn.Linear(dim, 1, bias=False)

    def weights(self, tokens: Tensor) -> Tensor:
        """Weigh tokens.

        Parameters
        ----------
        tokens : Tensor of shape (B, T, d)
            Those of each scan.

        Returns
        -------
        Tensor of shape (B, T)
            At least 0, the sum of a row is 1.
        """
        gated = torch.tanh(self.value(tokens)) * torch.sigmoid(self.gate(tokens))
        return cast(Tensor, self.score(gated).squeeze(-1).softmax(dim=1))

    def forward(self, tokens: Tensor) -> Tensor:
        """Pool tokens.

        Parameters
        ----------
        tokens : Tensor of shape (B, T, d)
            Those of each scan.

        Returns
        -------
        Tensor of shape (B, 1, d)
            Their weighted sum.
        """
        return self.weights(tokens).unsqueeze(1) @ tokens
