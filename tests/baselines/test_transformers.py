from __future__ import annotations

import pytest
from sklearn.base import clone

from skedema.baselines import (
    ClinicalValues,
    MeanImputed,
    OnlyScan,
    ScanFeatures,
    WithoutScan,
)


@pytest.mark.parametrize(
    "transformer",
    [
        OnlyScan(image="scan"),
        WithoutScan(image=1),
        ClinicalValues(image="scan"),
        ScanFeatures(image="scan", n_components=2),
        MeanImputed(indicator=True),
    ],
)
def test_parameters_are_those_that_were_given(transformer):
    copied = clone(transformer)
    assert copied.get_params() == transformer.get_params()
    name = next(iter(transformer.get_params()))
    assert copied.set_params(**{name: "other"}).get_params()[name] == "other"
