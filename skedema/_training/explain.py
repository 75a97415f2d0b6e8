"""Looks into a fitted network: what it attended to, and what it made of the scans."""

from __future__ import annotations

from typing import cast

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
        _, attended = net.module_.fuse(**inputs)
        if attended is None:
            raise ValueError(
                f"{type(net.module_.fusion).__name__.lstrip('_')} has no attention of "
                "the scan to the variables to report; use "
                "sklearn.inspection.permutation_importance, which works with every fusion."
            )
        return cast(torch.Tensor, attended)

    attended = net.evaluate(patients, weights).astype(np.float64)
    frame = pd.DataFrame(attended, index=table.index, columns=variables)
    missing = torch.isnan(patients.clinical).numpy()
    frame.attrs["missing"] = {name: missing[:, k].tolist() for k, name in enumerate(variables)}
    return frame


def pooled_queries(net: FusionNet, patients: Patients) -> np.ndarray:
    """Average over the projected tokens of each scan, (n, dim)."""

    def pooled(clinical: torch.Tensor, **scan: torch.Tensor) -> torch.Tensor:
        return cast(torch.Tensor, net.module_.scan_queries(**scan).mean(dim=1))

    return net.evaluate(patients, pooled)
