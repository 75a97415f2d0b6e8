"""Looks into a fitted network: what it attended to, and what it made of the scans."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from skedema._training.net import FusionNet
from skedema._training.patients import Patients
from skedema.frames import Table


def attention_frame(
    net: FusionNet, patients: Patients, table: Table, variables: list[str]
) -> pd.DataFrame:
    """Tabulate attention, (n, K); see `FusedEstimator.attention`."""
    if not variables:
        raise ValueError("There is no clinical variable to attend to: X held the scan alone.")

    def weights(**inputs: torch.Tensor) -> torch.Tensor:
        of_each = [member.fuse(**inputs)[1] for member in net.module_.members]
        if of_each[0] is None:
            raise ValueError(
                f"{type(net.module_.members[0].fusion).__name__.lstrip('_')} has no attention of "
                "the scan to the variables to report; use "
                "sklearn.inspection.permutation_importance, which works with every fusion."
            )
        return torch.stack(of_each).mean(dim=0)

    attended = net.evaluate(patients, weights).astype(np.float64)
    frame = pd.DataFrame(attended, index=table.index, columns=variables)
    missing = torch.isnan(patients.clinical).numpy()
    frame.attrs["missing"] = {name: missing[:, k].tolist() for k, name in enumerate(variables)}
    return frame


def pooled_queries(net: FusionNet, patients: Patients) -> np.ndarray:
    """Average over the projected tokens of each scan, (n, dim), side by side for all members."""

    def pooled(clinical: torch.Tensor, **scan: torch.Tensor) -> torch.Tensor:
        members = net.module_.members
        return torch.cat([member.scan_queries(**scan).mean(dim=1) for member in members], dim=1)

    return net.evaluate(patients, pooled)
