from __future__ import annotations

import pytest

from skedema.baselines import (
    OnlyScan,
    WithoutScan,
)

from ._table import POLARS, TABLE


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
