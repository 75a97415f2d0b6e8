"""Product of experts: each modality says what it thinks and how sure it is."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from skedema.fusion._missing import by_kind
from skedema.fusion.base import Fusion


class ProductOfExperts(Fusion):
    """The mean of a product of Gaussians, one of the scan and one of each clinical variable.

    ``F = (sum_i T_i mu_i) / (1 + sum_i T_i)`` with precisions ``T_i = exp(-s_i)``, feature by
    feature, i over what the patient has: the product of the experts' Gaussians of mean mu_i and
    log-variance s_i with that of a prior, of mean 0 and variance 1 (Wu and Goodman, "Multimodal
    generative models for scalable weakly-supervised learning", NeurIPS 2018, section 2.2). Each
    expert is a network of its own on its token, that of the scan on the mean of the scan's tokens;
    of several scans, on that of the tokens of those that there are.

    Notes
    -----
    What is missing has no factor in the product. It is left out by what is known of the patient,
    so that no learnable vector of a missing value has any influence. F is 0, the prior's mean,
    where nothing is known.

    A clinical variable is an expert, rather than the table, as in the authors' experiment on
    CelebA with 19 modalities, where each attribute beside the picture is one: values go missing
    one by one, so that a table is seldom there or not there as a whole.

    From the paper is the inference network alone. There is no decoder, no sampling and no
    divergence from the prior in the loss: the mean is handed on, in training as well, and the
    experts learn from the labels. An expert has one hidden layer of the model's width with a GELU,
    which is ours. The division by the sum of precisions is computed as a softmax over 0 and the
    ``-s_i``, which is the same and cannot overflow. Attention is not reported: the precisions are
    one a feature.

    Examples
    --------
    >>> import torch
    >>> from skedema.fusion import ProductOfExperts
    >>> fusion = ProductOfExperts()
    >>> experts = fusion.build(dim=4, n_heads=2, n_queries=1, n_variables=2, dropout=0.0)
    >>> scan, table, nothing = torch.ones(1, 1, 4), torch.ones(1, 2, 4), torch.zeros(1, 3) > 0
    >>> experts(scan, table, nothing)[0].tolist()
    [[[0.0, 0.0, 0.0, 0.0]]]
    """

    def build(
        self, *, dim: int, n_heads: int, n_queries: int, n_variables: int, dropout: float
    ) -> nn.Module:
        return _ProductOfExperts(dim, n_variables, dropout)


class _ProductOfExperts(nn.Module):
    n_tokens = 1

    def __init__(self, dim: int, n_variables: int, dropout: float) -> None:
        super().__init__()
        self.experts = nn.ModuleList(_expert(dim, dropout) for _ in range(1 + n_variables))

    def forward(self, queries: Tensor, tokens: Tensor, present: Tensor) -> tuple[Tensor, None]:
        scans, variables = by_kind(present, tokens)
        if scans.shape[1] > 1:
            queries = _mean_of_those_there(queries, scans)
            present = torch.cat([scans.any(dim=1, keepdim=True), variables], dim=1)
        joint = torch.cat([queries.mean(dim=1, keepdim=True), tokens], dim=1)
        absent = ~present.unsqueeze(-1)
        given = joint.masked_fill(absent, 0.0).unbind(dim=1)
        opinions = [expert(token) for expert, token in zip(self.experts, given, strict=True)]
        mean, log_variance = torch.stack(opinions, dim=1).chunk(2, dim=-1)
        log_precision = (-log_variance).masked_fill(absent, -torch.inf)
        prior = torch.zeros_like(mean[:, :1])
        share = torch.softmax(torch.cat([prior, log_precision], dim=1), dim=1)[:, 1:]
        return (share * mean).sum(dim=1, keepdim=True), None


def _mean_of_those_there(queries: Tensor, scans: Tensor) -> Tensor:
    of_each = queries.unflatten(1, (scans.shape[1], -1)).mean(dim=2)  # type: ignore[no-untyped-call]
    total = of_each.masked_fill(~scans.unsqueeze(-1), 0.0).sum(dim=1, keepdim=True)
    return cast(Tensor, total / scans.sum(dim=1).clamp_min(1).view(-1, 1, 1))


def _expert(dim: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(dim, dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(dim, 2 * dim)
    )
