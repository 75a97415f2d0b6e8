from __future__ import annotations

import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.preprocessing import FunctionTransformer

from skedema.baselines import (
    ClinicalValues,
    MeanImputed,
)

from ._table import POLARS, TABLE


def test_clinical_values_keep_what_is_missing_and_name_categories():
    fitted = ClinicalValues(image="scan").fit(TABLE)
    found = fitted.transform(TABLE)
    assert found.dtypes.astype(str).tolist() == ["float64", "category", "float64"]
    wanted = TABLE.drop(columns="scan").isna()
    pd.testing.assert_frame_equal(found.isna(), wanted)
    assert found["sex"].dropna().tolist() == ["f", "m", "m"]
    pd.testing.assert_frame_equal(fitted.transform(POLARS), found)
    indexed = TABLE.set_index(pd.Index(["a", "a", "b", "c"]))
    assert fitted.transform(indexed).index.tolist() == ["a", "a", "b", "c"]
    with pytest.warns(UserWarning, match="did not see"):
        new = fitted.transform(TABLE.assign(sex="x"))
    assert new["sex"].isna().all()
    with pytest.raises(ValueError, match="missing now: 'sex'"):
        fitted.transform(TABLE.drop(columns="sex"))
    with pytest.raises(ValueError, match="no clinical column"):
        ClinicalValues(image="scan").fit(TABLE[["scan"]])


def test_clinical_values_of_another_metadata_transformer():
    doubled = FunctionTransformer(
        lambda X: 2 * X[["sodium"]].to_numpy(), feature_names_out=lambda _, names: names[:1]
    )
    found = ClinicalValues(image="scan", metadata=doubled).fit_transform(TABLE)
    assert_array_equal(found.to_numpy()[:, 0], 2 * TABLE["sodium"])
    imputed = ClinicalValues(image="scan", metadata=MeanImputed()).fit_transform(TABLE)
    assert imputed["sex"].astype(int).tolist() == [0, 1, 1, 1]
