"""Looks into a fitted network: what it attended to, and what it made of the scans."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import torch

from skedema._training.net import FusionNet
from skedema._training.patients import Patients
from skedema.frames import Table


def attention_frame(
    net: FusionNet,
    patients: Patients,
    table: Table,
    variables: list[str],
    tokens: dict[str, list[Any]] | None = None,
) -> pd.DataFrame:
    """Tabulate attention, a row a patient or one a token; see `FusedEstimator.attention`.

    Tokens are told by their names on each level.
    """
    if not variables:
        raise ValueError("There is no clinical variable to attend to: X held the scan alone.")

    def weights(**inputs: torch.Tensor) -> torch.Tensor:
        members = net.module_.members
        if tokens is not None:
            of_each = [member.attention_by_token(**inputs) for member in members]
            if of_each[0] is not None:
                return torch.stack(of_each).mean(dim=0)
        of_each = [member.fuse(**inputs)[1] for member in members]
        name = type(members[0].fusion).__name__.lstrip("_")
        if of_each[0] is None:
            raise ValueError(
                f"{name} has no attention of "
                "the scan to the variables to report; use "
                "sklearn.inspection.permutation_importance, which works with every fusion."
            )
        if tokens is not None:
            raise ValueError(
                f"In {name} as it is the scan attends as a whole, not each token by itself. Fit "
                'with fusion=skedema.fusion.CrossAttention(query="tokens"), or leave out '
                "per_token=True."
            )
        return torch.stack(of_each).mean(dim=0)

    attended = net.evaluate(patients, weights).astype(np.float64)
    missing = torch.isnan(patients.clinical).numpy()
    index = pd.RangeIndex(len(table)) if table.index is None else table.index
    if tokens is not None:
        missing = missing.repeat(math.prod(map(len, tokens.values())), axis=0)
        levels = [index, *tokens.values()]
        index = pd.MultiIndex.from_product(levels, names=[index.name, *tokens])
        attended = attended.reshape(-1, len(variables))
    frame = pd.DataFrame(attended, index=index, columns=variables)
    frame.attrs["missing"] = {name: missing[:, k].tolist() for k, name in enumerate(variables)}
    return frame


def pooled_queries(net: FusionNet, patients: Patients) -> np.ndarray:
    """Average over the projected tokens of each scan and each change, and over members."""

    def pooled(clinical: torch.Tensor, **scan: torch.Tensor) -> torch.Tensor:
        members = net.module_.members
        found = torch.stack([member.scan_queries(**scan) for member in members])
        n_sets = 2 * patients.n_scans - 1
        each = torch.stack(found.chunk(n_sets, dim=2), dim=2)
        return each.mean(dim=3).mean(dim=0).flatten(1)

    return net.evaluate(patients, pooled)
