from __future__ import annotations

import re

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from skedema.evaluation import evaluate
from skedema.evaluation._report import NAMES
from skedema.evaluation._report import page as module

from ._cohort import MODELS, X, Y, all_that_is_in, secrets

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")


def headings(html):
    return re.findall(r"<h2[^>]*>(.*?)</h2>", html)


def test_page_has_what_a_reader_looks_for_in_order(page):
    assert headings(page.html) == [
        "Summary",
        "Cohort",
        "Performance",
        "Comparison",
        "Subgroups",
        "Importance",
        "Missing values",
        "Error gallery",
        "Methods",
        "Model card",
        "TRIPOD+AI items",
        "Not on this page",
    ]
    assert "no medical device" in page.html


def test_what_cannot_be_had_says_why_and_what_to_do(page):
    missed = page.html[page.html.index('id="not-on-this-page"') :]
    assert "test=(X_new, y_new)" in missed
    assert "which has no attention" in missed
    assert "no column of scans" in missed


def test_figures_are_those_of_the_evaluation(page, result):
    for text in result.table(n_resamples=50).loc["logistic"]:
        assert text in page.html


def test_every_picture_says_in_words_what_it_shows(page):
    pictures = re.findall(r"<img [^>]*>", page.html)
    assert len(pictures) >= 6
    for picture in pictures:
        assert len(re.search(r'alt="([^"]*)"', picture).group(1)) > 30


def test_sections_and_model_are_chosen(result):
    page = result.report(model="boosting", sections=["tripod", "summary"], n_resamples=50)
    assert headings(page.html) == ["Summary", "TRIPOD+AI items"]
    assert "boosting" in page.html
    assert headings(result.report(sections="methods").html) == ["Methods"]


def test_unknown_names_are_refused_with_the_nearest(result):
    with pytest.raises(ValueError, match=r"no section 'galery'.*'gallery'"):
        result.report(sections=["galery"])
    with pytest.raises(ValueError, match=r"no estimator 'logistics'.*'logistic'"):
        result.report(model="logistics")


def test_each_section_can_be_asked_for(result):
    assert set(NAMES) == {*module.SECTIONS, "tripod"}
    for name in ("cohort", "missingness", "model_card"):
        assert len(headings(result.report(sections=[name], n_resamples=50).html)) == 1


def test_section_that_fails_takes_no_other_with_it(result, monkeypatch):
    def failing(material):
        raise RuntimeError("of Mustermann7")

    monkeypatch.setitem(module.SECTIONS, "cohort", ("Cohort", failing))
    with pytest.warns(UserWarning, match="no section 'Cohort': RuntimeError: of Mustermann7"):
        page = result.report(sections=["cohort", "methods"])
    assert headings(page.html) == ["Methods", "Not on this page"]
    assert "RuntimeError" in page.html
    assert "Mustermann7" not in page.html


def test_of_more_than_two_classes():
    X, y = load_iris(return_X_y=True, as_frame=True)
    models = {"one": LogisticRegression(C=0.1), "two": LogisticRegression(C=10, max_iter=1000)}
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    result = evaluate(models, X, names, cv=3, random_state=0)
    html = result.report(n_resamples=30).html
    assert "Each class against the rest" in html
    assert "could not be made" not in html
    assert "Comparison" in headings(html)


def test_without_fitted_models_it_is_said_where_they_are_missed():
    result = evaluate(
        {"logistic": MODELS["logistic"]},
        X[["sodium", "glucose"]],
        Y,
        cv=3,
        random_state=0,
        return_estimator=False,
    )
    html = result.report(n_resamples=30, sections=["methods", "importance", "gallery"]).html
    assert html.count("return_estimator=True") == 2  # of parameters, and of importance
    assert "Patient 1" in html  # whom it got wrong is known without the model


def test_what_a_missing_value_costs_is_shown_beside_hidden_columns(page):
    section = page.html[page.html.index('id="missing-values"') :]
    (alt,) = re.findall(r'<img [^>]*alt="(Values missing together[^"]*)"', section)
    assert "glucose: " in alt
    assert "when missing, on held-out patients" in alt
    assert "not shown 1 " in alt
    assert not [secret for secret in secrets() if secret in all_that_is_in(page.html)]
