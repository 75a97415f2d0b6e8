"""Tokens: one vector for every clinical variable, one or more for the scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from skedema.modules.gated_attention import GatedAttention
from skedema.modules.positions import positions_in_order


class ClinicalTokens(nn.Module):
    """Embed each clinical variable as a token of its own.

    A numeric variable k with value x becomes ``x w_k + b_k``, a categorical one ``e_k[x] + b_k``
    (the feature tokenizer of Gorishniy et al., "Revisiting deep learning models for tabular
    data", NeurIPS 2021, section 3.3), and a missing value of either kind the learnable vector
    ``m_k``.

    Parameters
    ----------
    n_categories : sequence of int of length K
        0 for a numeric variable, otherwise its number of categories.
    dim : int
        Width d of a token.
    lacked : Tensor or sequence of bool of length K, default=None
        Which variables some training patient lacks; None for none.
    """

    is_categorical: Tensor
    offsets: Tensor
    lacked: Tensor

    def __init__(
        self, n_categories: Sequence[int], dim: int, lacked: Tensor | Sequence[bool] | None = None
    ) -> None:
        super().__init__()
        n_variables = len(n_categories)
        counts = torch.tensor(list(n_categories), dtype=torch.long)
        self.register_buffer("is_categorical", counts > 0, persistent=False)
        offsets = torch.cumsum(counts, 0) - counts
        self.register_buffer("offsets", offsets, persistent=False)
        gaps = torch.zeros(n_variables) if lacked is None else torch.as_tensor(lacked)
        self.register_buffer("lacked", gaps.bool(), persistent=False)
        self.weight = nn.Parameter(_uniform(n_variables, dim))
        self.bias = nn.Parameter(_uniform(n_variables, dim))
        self.missing = nn.Parameter(_uniform(n_variables, dim))
        n_embeddings = int(counts.sum())
        self.categories = nn.Parameter(_uniform(n_embeddings, dim)) if n_embeddings else None

    def forward(self, values: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Embed the variables.

        Parameters
        ----------
        values : Tensor of shape (B, K)
            Scaled values and category codes, NaN for missing.
        hidden : Tensor of bool of shape (B, K), default=None
            Variables not to be shown. Where training patients lack a variable, ``m_k`` learns what
            its absence tells, so a hidden one becomes 0; where none does, it becomes ``m_k``, which
            would otherwise learn nothing.

        Returns
        -------
        Tensor of shape (B, K, d)
            One token a variable.
        """
        absent = torch.isnan(values)
        filled = torch.where(absent, torch.zeros_like(values), values)
        numeric = torch.where(self.is_categorical, torch.zeros_like(filled), filled)
        tokens = numeric.unsqueeze(-1) * self.weight + self.bias
        if self.categories is not None and torch.is_inference_mode_enabled():
            columns = self.is_categorical.nonzero()[:, 0]  # the same, without work for the others
            codes = filled[:, columns].long() + self.offsets[columns]
            tokens.index_add_(1, columns, self.categories[codes])
        elif self.categories is not None:
            codes = torch.where(self.is_categorical, filled.long() + self.offsets, 0)
            chosen = self.categories[codes]
            tokens = tokens + torch.where(self.is_categorical.unsqueeze(-1), chosen, 0.0)
        tokens = torch.where(absent.unsqueeze(-1), self.missing, tokens)
        if hidden is None:
            return tokens
        instead = self.missing.masked_fill(self.lacked.unsqueeze(-1), 0.0)
        return torch.where(hidden.unsqueeze(-1), instead, tokens)


@dataclass(frozen=True)
class InOrder:
    """Features of a scan that come as a sequence, such as those of its slices.

    Parameters
    ----------
    width : int
        Width E of each.
    n : int
        How many T there are. The sine and cosine of its place is added to each token.
    attended : bool
        Whether they are pooled to a single token, by `GatedAttention`.
    """

    width: int
    n: int
    attended: bool


class ScanTokens(nn.Module):
    """Project an encoder's features to the model's width; a missing scan is a learnable vector.

    Parameters
    ----------
    in_dim : int, sequence of int, InOrder or None
        Width E of the encoder's features; the widths of its parts, which stand side by side in a
        single token: each then becomes a token of its own, by a projection of its own; a sequence,
        whose tokens have a place and may be pooled by attention. None when
        the model has no scans at all, so that every patient gets the learnable vector.
    dim : int
        Width d of a token.
    dropout : float, default=0.0
        Probability of putting a feature to its mean in training.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self, in_dim: int | Sequence[int] | InOrder | None, dim: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.missing = nn.Parameter(_uniform(1, dim))
        self.dropout = nn.Dropout(dropout)
        self.project: nn.Module | None = None
        if in_dim is not None:
            self.project, width = _projection(in_dim, dim)
            self.register_buffer("mean", torch.zeros(width))
            self.register_buffer("scale", torch.ones(width))

    def standardise(self, mean: Tensor, scale: Tensor) -> None:
        """Centre and scale features on the way in, for encoders whose features have any size.

        Parameters
        ----------
        mean, scale : Tensor of shape (E,)
            Taken off, and divided by.
        """
        self.mean.copy_(mean)
        self.scale.copy_(scale)

    def there(self, present: Tensor) -> Tensor:
        """Tell whether the tokens stand for something that there is.

        Parameters
        ----------
        present : Tensor of bool of shape (B,)
            Which patients have a scan.

        Returns
        -------
        Tensor of bool of shape (B, 1)
            The same.
        """
        return present.unsqueeze(1)

    def forward(self, features: Tensor | None, present: Tensor) -> Tensor:
        """Project the features.

        Parameters
        ----------
        features : Tensor of shape (B, T, E) or None
            What the encoder made of the scans; rows without a scan hold anything finite.
        present : Tensor of bool of shape (B,)
            Which patients have a scan.

        Returns
        -------
        Tensor of shape (B, T, d)
            T is 1 without features and where tokens are pooled by attention, and the number of
            parts where there are parts.
        """
        if self.project is None or features is None:
            return self.missing.expand(present.shape[0], 1, -1)
        tokens = self.project(self.dropout((features - self.mean) / self.scale))
        return torch.where(present[:, None, None], tokens, self.missing)


class _ProjectParts(nn.Module):
    """Split features (B, 1, E) into parts, and make a token of each: (B, T, d)."""

    def __init__(self, widths: Sequence[int], dim: int) -> None:
        super().__init__()
        self.widths = list(widths)
        self.each = nn.ModuleList(nn.Linear(width, dim) for width in widths)

    def forward(self, features: Tensor) -> Tensor:
        parts = torch.split(features, self.widths, dim=-1)
        tokens = [project(part) for project, part in zip(self.each, parts, strict=True)]
        return torch.cat(tokens, dim=1)


class _ProjectInOrder(nn.Module):
    """Make tokens of features (B, T, E), each with its place: (B, T, d), or (B, 1, d) pooled."""

    positions: Tensor

    def __init__(self, in_order: InOrder, dim: int) -> None:
        super().__init__()
        self.in_order = in_order
        self.project = nn.Linear(in_order.width, dim)
        self.register_buffer("positions", positions_in_order(in_order.n, dim), persistent=False)
        self.pool = GatedAttention(dim) if in_order.attended else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        return cast(Tensor, self.pool(self.project(features) + self.positions))


def _projection(in_dim: int | Sequence[int] | InOrder, dim: int) -> tuple[nn.Module, int]:
    """Give what makes tokens of features, and the width of these."""
    if isinstance(in_dim, int):
        return nn.Linear(in_dim, dim), in_dim
    if isinstance(in_dim, InOrder):
        return _ProjectInOrder(in_dim, dim), in_dim.width
    return _ProjectParts(in_dim, dim), sum(in_dim)


def _uniform(rows: int, dim: int) -> Tensor:
    return torch.empty(rows, dim).uniform_(-(dim**-0.5), dim**-0.5)
