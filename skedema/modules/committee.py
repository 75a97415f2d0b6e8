"""Several networks that answer the same question side by side."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

from skedema.modules.fused import FusedNetwork


class Committee(nn.Module):
    """Networks that are trained together, each on patients of its own, and all asked.

    Parameters
    ----------
    members : iterable of FusedNetwork
        Two or more of the same make, without an encoder.
    """

    encoder: None = None

    def __init__(self, members: Iterable[FusedNetwork]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    @property
    def n_outputs(self) -> int:
        """How many numbers come out of each member."""
        return cast(FusedNetwork, self.members[0]).n_outputs

    def forward(
        self,
        clinical: Tensor,
        present: Tensor,
        features: Tensor | None = None,
        asked: Tensor | None = None,
    ) -> Tensor:
        """Tell of each patient.

        Parameters
        ----------
        clinical, present, features
            As in `FusedNetwork.fuse`.
        asked : Tensor of bool of shape (B, M), default=None
            Which members answer of a patient; None for all. The others compute nothing.

        Returns
        -------
        Tensor of shape (B, M, n_outputs)
            Outputs of each member; NaN of those not asked.
        """
        inputs = {"clinical": clinical, "present": present}
        if features is not None:
            inputs["features"] = features
        if asked is None:
            return torch.stack([member(**inputs) for member in self.members], dim=1)
        shape = (len(clinical), len(self.members), self.n_outputs)
        answers = clinical.new_full(shape, torch.nan)
        for position, member in enumerate(self.members):
            rows = asked[:, position].nonzero()[:, 0]
            if len(rows):
                some = {name: value[rows] for name, value in inputs.items()}
                answers[rows, position] = member(**some)
        return answers
