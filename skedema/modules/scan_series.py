"""The tokens of several scans of a patient, and of what changed from each to the next."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from skedema.modules.tokens import ScanTokens


class ScanSeries(nn.Module):
    """Make tokens of k scans of a patient and of the k - 1 changes between those that follow.

    A change is what an encoder made of a scan less what it made of the one before. Each scan and
    each change has a `ScanTokens` of its own: a projection, whose bias tells which it is, and a
    vector that stands for it where it is missing. Where a scan is missing, so are its changes.

    Parameters
    ----------
    in_dim : int, sequence of int or None
        As in `ScanTokens`.
    dim : int
        Width d of a token.
    dropout : float
        Probability of putting a feature to its mean in training.
    n_scans : int
        Scans k of a patient, at least 2.

    Notes
    -----
    All that is in the changes is in the scans as well, but hard to find: a patient's scans are
    alike, so that a change is the small difference of two large numbers, the features dropped in
    training do not agree, and many a fusion takes a mean over tokens. In 300 simulated patients
    with 24 features of each scan, of whom one feature's change decides together with the age
    (correlation of the scans 0.9, mean AUC of four seeds on 600 others, 0.82 being the most that
    can be had), the default fusion reached 0.74 with tokens of changes, and 0.61 without; where
    one feature of the second scan decided, 0.75 and 0.75.
    """

    def __init__(
        self, in_dim: int | Sequence[int] | None, dim: int, dropout: float, n_scans: int
    ) -> None:
        super().__init__()
        self.scans = nn.ModuleList(ScanTokens(in_dim, dim, dropout) for _ in range(n_scans))
        self.changes = nn.ModuleList(ScanTokens(in_dim, dim, dropout) for _ in range(n_scans - 1))

    @property
    def sets(self) -> list[ScanTokens]:
        """Those of the scans, then those of the changes."""
        return [*self.scans, *self.changes]

    def there(self, present: Tensor) -> Tensor:
        """Tell which sets of tokens stand for something that there is.

        Parameters
        ----------
        present : Tensor of bool of shape (B, k)
            Which scans there are.

        Returns
        -------
        Tensor of bool of shape (B, 2 k - 1)
            The same, then which changes there are.
        """
        return torch.cat([present, present[:, 1:] & present[:, :-1]], dim=1)

    def forward(self, features: Tensor | None, present: Tensor) -> Tensor:
        """Project the features.

        Parameters
        ----------
        features : Tensor of shape (B, k * T, E) or None
            What the encoder made of the scans, those of one after those of the other; of those
            that are missing anything finite.
        present : Tensor of bool of shape (B, k)
            Which scans there are.

        Returns
        -------
        Tensor of shape (B, (2 k - 1) * T, d)
            The tokens of each scan, then those of each change.
        """
        each = [None] * len(self.sets) if features is None else with_changes(features, present)
        there = self.there(present)
        known = (there[:, k] for k in range(there.shape[1]))  # ONNX Runtime 1.20 lacks unbind
        parts = zip(self.sets, each, known, strict=True)
        return torch.cat([tokens(given, shown) for tokens, given, shown in parts], dim=1)


def with_changes(features: Tensor, present: Tensor) -> list[Tensor]:
    """Give the features of each scan, then by how much they differ from those of the one before.

    Parameters
    ----------
    features : Tensor of shape (B, k * T, E)
        Of k scans.
    present : Tensor of bool of shape (B, k)
        Which scans there are.

    Returns
    -------
    list of 2 k - 1 Tensor of shape (B, T, E)
        Of the scans, then of the changes.
    """
    each = features.chunk(present.shape[1], dim=1)
    return [*each, *(later - earlier for earlier, later in pairwise(each))]
