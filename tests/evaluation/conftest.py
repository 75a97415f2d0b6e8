from __future__ import annotations

import pytest

from skedema.evaluation import evaluate

from ._cohort import FOLDS, MODELS, SITE, X, Y


@pytest.fixture(scope="module")
def result():
    covariates = {"site": SITE, "age": X["age"]}
    return evaluate(MODELS, X, Y, cv=FOLDS, subgroups=covariates, random_state=0)
