from __future__ import annotations

import pytest

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
