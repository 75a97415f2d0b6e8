"""Pages of patients of another hospital."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
from sklearn.base import clone

from skedema.evaluation import evaluate, validate

from ._cohort import FOLDS, MODELS, X, Y

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

NEW = X.iloc[: len(X) // 2].reset_index(drop=True)
NEW = NEW.assign(**{name: NEW[name].to_numpy()[::-1] for name in NEW.select_dtypes("number")})
NEW_Y = np.asarray(Y)[: len(NEW)]


def quietly(function, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of columns that say who a patient is
        return function(*args, **kwargs)


def section(html, name):
    start = html.index(f'id="{name}"')
    return html[start : html.find("<section", start)]


def headings(html):
    return re.findall(r"<h2[^>]*>(.*?)</h2>", html)


def test_a_page_shows_patients_of_another_hospital_beside_those_of_the_folds():
    result = quietly(
        evaluate, MODELS, X, Y, cv=FOLDS, pos_label="edema", test=(NEW, NEW_Y), random_state=0
    )
    page = result.report(n_resamples=50, n_cases=1)
    assert "External validation" in headings(page.html)
    found = section(page.html, "external-validation")
    assert f"{len(NEW)} patients who were no part of the cross-validation" in found
    assert "of patients whom no model had seen" in found
    assert found.count("<img ") == 5
    name = next(iter(MODELS))
    for text in result.external.table(n_resamples=50).loc[name]:
        assert text in found
    assert "could not be made" not in page.html


def test_models_that_are_fitted_have_a_page_of_other_patients():
    models = {name: clone(model).fit(X, Y) for name, model in MODELS.items()}
    result = quietly(validate, models, NEW, NEW_Y, pos_label="edema", random_state=0)
    page = result.report(n_resamples=50, n_cases=1)
    assert "could not be made" not in page.html
    names = headings(page.html)
    for name in ("Summary", "Cohort", "Performance", "Importance", "Methods", "Model card"):
        assert name in names
    assert "External validation" not in names
    assert "All of this page is of patients of another hospital." in page.html
    assert "out of fold" not in page.html
    assert "cross-validat" not in re.sub(r"<(script|style).*?</\1>", "", page.html, flags=re.S)
    for text in result.table(n_resamples=50).iloc[0]:
        assert text in section(page.html, "performance")
