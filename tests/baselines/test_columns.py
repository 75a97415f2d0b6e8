from __future__ import annotations

import pandas as pd
import polars as pl
import pytest

from skedema.baselines import (
    OnlyScan,
    WithoutScan,
)

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


@pytest.mark.parametrize("X", [TABLE, POLARS])
def test_columns_are_split_for_tables_of_any_kind(X):
    only, rest = OnlyScan(image="scan").fit_transform(X), WithoutScan(image="scan").fit_transform(X)
    assert type(only) is type(rest) is type(X)
    assert list(only.columns) == ["scan"]
    assert list(rest.columns) == ["sodium", "sex", "intubated"]
    rows = TABLE.to_numpy(dtype=object)
    assert OnlyScan(image=1).fit_transform(rows)[::2].tolist() == [["a.nii"], ["b.nii"]]
    assert WithoutScan(image=-3).fit_transform(rows.tolist())[0] == [128.0, "f", True]
    with pytest.raises(ValueError, match="Did you mean 'scan'"):
        OnlyScan(image="scans").fit(X)
