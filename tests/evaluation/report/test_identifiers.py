from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skedema import AttentionMixerClassifier
from skedema.evaluation import evaluate
from skedema.evaluation._report.identifiers import personal_columns
from skedema.frames.leniently import read_leniently

from ._cohort import PATIENTS, X, all_that_is_in, secrets


def test_columns_that_say_who_a_patient_is_are_found():
    table, refused = read_leniently(X)
    found = personal_columns(table, list(refused), [])
    assert [X.columns[p] for p in found] == ["patient_name", "mrn", "admitted"]


@pytest.mark.parametrize(
    ("name", "personal"),
    [
        ("dateOfBirth", True),
        ("e-mail", True),
        ("surname", True),
        ("file_name", True),
        ("Nachname", True),
        ("Geb.-Dat.", True),
        ("Fallnr", True),
        ("time_since_onset", False),
        ("tumour_grade", False),
        ("acid", False),
    ],
)
def test_columns_are_known_by_words_in_their_names(name, personal):
    table, refused = read_leniently(X[["sodium"]].rename(columns={"sodium": name}))
    assert personal_columns(table, list(refused), []) == [0] * personal


def test_text_of_its_own_for_each_patient_is_no_category():
    notes = X[["sodium"]].assign(findings=[f"looks like {k}" for k in range(len(X))])
    table, refused = read_leniently(notes)
    assert personal_columns(table, list(refused), []) == [1]


def test_nothing_on_the_page_says_who_a_patient_is(page):
    everything = all_that_is_in(page.html)
    assert "sodium" in everything
    assert not [secret for secret in secrets() if secret in everything]


def test_patients_are_named_where_that_is_asked_for(result):
    page = result.report(sections=["gallery"], identifiers=True)
    assert any(patient in page.html for patient in PATIENTS)
    assert "mrn" in page.html
    assert "names patients" in page.html


def test_dates_as_texts_and_texts_of_a_small_cohort_are_no_categories():
    days = [f"{1 + k % 28}.03.19{40 + k % 9}" for k in range(18)]
    beds = [f"bed {k % 6}" for k in range(18)]
    table, refused = read_leniently(
        pd.DataFrame({"seen": days, "bed": beds, "sex": ["f", "m"] * 9})
    )
    assert personal_columns(table, list(refused), []) == [0, 1]


def test_categories_that_few_have_are_not_written_down():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {"age": rng.uniform(20, 90, 40), "ward": ["A"] * 21 + ["B"] * 16 + ["Zebra"] * 3}
    )
    y = rng.permutation(np.arange(40) % 2)
    model = make_pipeline(make_column_transformer(("passthrough", ["age"])), LogisticRegression())
    result = evaluate({"logistic": model}, X, y, subgroups=["ward"], random_state=0)
    sections = ["cohort", "gallery", "subgroups"]
    page = result.report(sections=sections, n_cases=40, n_resamples=20).html
    assert "ward = other" in page
    assert "one that few have" in page
    assert "Zebra" not in page
    assert "Zebra" in result.report(sections=sections, n_resamples=20, identifiers=True).html


def test_a_folder_is_a_path_whatever_its_name(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    X = pd.DataFrame({"age": np.linspace(20, 90, 40)})
    clf = AttentionMixerClassifier(max_epochs=1, n_members=1, memory="Meier_Hans")
    result = evaluate({"mixer": clf}, X, np.arange(40) % 2, cv=2, random_state=0)
    assert "Meier" not in result.report(sections=["methods"]).html


def test_names_are_hidden_whole_and_may_hold_anything():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(40, 3)), columns=["fluid", "cost $a_b$ & $\\frac$", "x"])
    X["id"] = rng.permutation(40) + 9000
    model = LogisticRegression(max_iter=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of the number that is a patient's
        result = evaluate({"b$\\q$": model}, X, np.arange(40) % 2, random_state=0)
        page = result.report(sections=["performance", "importance"], n_resamples=20).html
    assert "could not be made" not in page
    assert "fluid" in page
    assert "not shown 1" in page
    assert "flu" not in page.replace("fluid", "")
