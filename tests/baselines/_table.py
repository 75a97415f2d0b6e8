"""A table of patients with scans that several tests of baselines share."""

from __future__ import annotations

import pandas as pd
import polars as pl

TABLE = pd.DataFrame(
    {
        "sodium": [128.0, 140.0, None, 136.0],
        "scan": ["a.nii", None, "b.nii", "c.nii"],
        "sex": ["f", None, "m", "m"],
        "intubated": [True, False, True, True],
    }
)


POLARS = pl.DataFrame(
    {name: [None if pd.isna(v) else v for v in column] for name, column in TABLE.items()}
)
