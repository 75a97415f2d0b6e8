from __future__ import annotations

import warnings

import pytest

from skedema.evaluation import evaluate

from ._cohort import FOLDS, MODELS, X, Y


@pytest.fixture(scope="package")
def result():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of columns that say who a patient is
        return evaluate(
            MODELS,
            X,
            Y,
            cv=FOLDS,
            pos_label="edema",
            subgroups=["sex", "sodium", "mrn"],
            random_state=0,
        )


@pytest.fixture(scope="package")
def page(result, tmp_path_factory):
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    path = tmp_path_factory.mktemp("report") / "report.html"
    made = result.report(path, n_resamples=50)
    assert path.read_text(encoding="utf-8") == made.html
    return made
