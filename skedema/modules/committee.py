"""Several networks that answer the same question side by side."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

from skedema.modules.fused import FusedClassifier


class Committee(nn.Module):
    """Networks that are trained together, each on patients of its own, and all asked.

    Parameters
    ----------
    members : iterable of FusedClassifier
        Two or more of the same make, without an encoder.
    """

    encoder: None = None

    def __init__(self, members: Iterable[FusedClassifier]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    @property
    def n_classes(self) -> int:
        """Number of logits of each member."""
        return cast(FusedClassifier, self.members[0]).n_classes

    def forward(
        self,
        clinical: Tensor,
        present: Tensor,
        features: Tensor | None = None,
        asked: Tensor | None = None,
    ) -> Tensor:
        """Classify.

        Parameters
        ----------
        clinical, present, features
            As in `FusedClassifier.fuse`.
        asked : Tensor of bool of shape (B, M), default=None
            Which members answer of a patient; None for all. The others compute nothing.

        Returns
        -------
        Tensor of shape (B, M, n_classes)
            Logits of each member; NaN of those not asked.
        """
        inputs = {"clinical": clinical, "present": present}
        if features is not None:
            inputs["features"] = features
        if asked is None:
            return torch.stack([member(**inputs) for member in self.members], dim=1)
        shape = (len(clinical), len(self.members), self.n_classes)
        answers = clinical.new_full(shape, torch.nan)
        for position, member in enumerate(self.members):
            rows = asked[:, position].nonzero()[:, 0]
            if len(rows):
                some = {name: value[rows] for name, value in inputs.items()}
                answers[rows, position] = member(**some)
        return answers
