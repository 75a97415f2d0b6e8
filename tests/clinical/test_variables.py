from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skedema import ClinicalTokenizer
from skedema.clinical import variables
from skedema.frames import masked


def column(values, **parameters) -> pd.DataFrame:
    return pd.DataFrame({"a": pd.Series(values, **parameters)})


def codes(values, **parameters) -> list:
    return ClinicalTokenizer().fit_transform(column(values, **parameters))[:, 0].tolist()


LONG = 10**17


@pytest.mark.parametrize(
    "frame",
    [
        column([LONG, LONG + 1, LONG]),
        column([LONG, LONG + 1, LONG], dtype="Int64"),
        column([LONG, LONG + 1, LONG], dtype=object),
        column([str(LONG), str(LONG + 1), str(LONG)]),
        column([LONG, LONG + 1, LONG], dtype="category"),
        pl.DataFrame({"a": [LONG, LONG + 1, LONG]}),
        pl.DataFrame({"a": pl.Series([LONG, LONG + 1, LONG], dtype=pl.UInt64)}),
        column([-LONG, -LONG - 1, -LONG]),
    ],
    ids=range(8),
)
def test_long_codes_stay_apart(frame):
    tokenizer = ClinicalTokenizer(categorical_features=["a"]).fit(frame)
    assert tokenizer.transform(frame)[:, 0].tolist() == [0, 1, 0]
    assert tokenizer.n_categories_.tolist() == [2]


def test_long_codes_of_an_array_stay_apart():
    values = np.array([[LONG], [LONG + 1], [LONG]])
    tokenizer = ClinicalTokenizer(categorical_features=[0]).fit(values)
    assert tokenizer.transform(values)[:, 0].tolist() == [0, 1, 0]


def test_long_integers_that_nobody_calls_codes_are_refused():
    for frame in (column([LONG, LONG + 1, 3]), pl.DataFrame({"a": [LONG, LONG + 1, 3]})):
        with pytest.raises(
            ValueError, match=r"'a' holds integers beyond 2\*\*53, .* rows 0, 1: id"
        ):
            ClinicalTokenizer().fit(frame)


def test_long_codes_that_were_merged_before_are_refused():
    frame = column([LONG, LONG + 1, None], dtype=float)
    with pytest.raises(ValueError, match=r"codes beyond 2\*\*53 as decimals in rows 0, 1"):
        ClinicalTokenizer(categorical_features=["a"]).fit(frame)
    tokenizer = ClinicalTokenizer(categorical_features=["a"]).fit(column([LONG, LONG + 1]))
    with pytest.raises(ValueError, match=r"codes beyond 2\*\*53 as decimals in rows 0, 1"):
        tokenizer.transform(frame)


# Text that must not be taken for a category, and text that may well be one.
MEASURED = [
    *[
        "5,1",
        "<0.5",
        "> 100",
        "1.2e3",
        "-3",
        "\u22123",
        "41%",
        "5 mg",
        "5mg",
        "2.5 mg/kg",
        "140 mmol/l",
    ],
    *[
        "38.5 °C",
        "120/80",
        "5.2 H",
        "1,234.5",
        "3'000",
        "12 h",
        "3 days",
        "~5",
        "≥ 5",
        "70 y",
        "5 g/dL",
    ],
]


DATED = [
    *["2024-03-01", "01.03.2024", "3/1/24", "2024-03-01 10:35", "2024-03-01T10:35:00Z"],
    *["3 Mar 2024", "Mar 2024", "11-Apr-24", "10:35", "10:35:07", "7:05 pm"],
]


NAMED = [
    *[
        "f",
        "3T",
        "1.5T",
        "2b",
        "1d",
        "T1",
        "41-65",
        "0/1",
        "A+",
        "3+",
        "left",
        "may",
        "none",
    ],
    *["grade 2", "2nd", "5 beds", "marker 3", "#3", "G1/G2", "12 or more"],
]


@pytest.mark.parametrize("text", MEASURED)
def test_measurements_as_text_are_refused(text):
    with pytest.raises(ValueError, match="'a' holds numbers as text"):
        ClinicalTokenizer().fit(column([text, text, "x"]))


@pytest.mark.parametrize("text", DATED)
def test_dates_as_text_are_refused(text):
    with pytest.raises(ValueError, match="'a' holds dates or times as text"):
        ClinicalTokenizer().fit(column([text, text, "x"]))


@pytest.mark.parametrize("text", NAMED)
def test_names_with_digits_are_categories(text):
    assert codes([text, text, "x"]) in ([0, 0, 1], [1, 1, 0])


def test_what_the_user_calls_a_category_is_one():
    ages = [str(i) for i in range(30)]
    tokenizer = ClinicalTokenizer(categorical_features=[0]).fit(column(ages))
    assert tokenizer.n_categories_.tolist() == [30]
    assert len(set(codes(ages, dtype="category"))) == 30


def test_intervals_of_cut_are_categories():
    groups = pd.cut(pd.Series([10, 50, 90]), [0, 20, 60, 100])
    assert codes(groups) == [0, 1, 2]


def test_scans_that_are_told_show_no_password_and_no_signature():
    signed = [f"https://me:s3cret@host/{k}.nii.gz?X-Amz-Signature=s3cret" for k in range(4)]
    with pytest.raises(
        ValueError, match=r"looks like scans .* 'https://host/0\.nii\.gz'"
    ) as caught:
        ClinicalTokenizer().fit(column(signed))
    assert "s3cret" not in str(caught.value)


def test_of_many_texts_some_tell_how_they_are_written(monkeypatch):
    seen = []
    monkeypatch.setattr(variables, "masked", lambda text: seen.append(text) or masked(text))
    with pytest.raises(ValueError, match=r"3000 different texts .*, written 'Aaa-9999': "):
        ClinicalTokenizer().fit(column([f"Mrn-{k}" for k in range(1000, 4000)]))
    assert len(seen) <= 1000
    seen.clear()
    with pytest.raises(ValueError, match=r"written 'a9', 'a99', 'a999': "):
        ClinicalTokenizer().fit(column([f"n{k}" for k in range(3000)]))
    assert len(seen) == 101  # up to the third form
