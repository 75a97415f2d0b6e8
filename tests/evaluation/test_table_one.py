from __future__ import annotations

import re

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skedema.evaluation import table_one

RNG = np.random.default_rng(0)
N = 70
X = pd.DataFrame(
    {
        "age": RNG.normal(60, 10, N),
        "nihss": RNG.integers(0, 20, N).astype(float),
        "sex": RNG.choice(["f", "m"], N),
        "afib": RNG.random(N) < 0.3,
        "site": RNG.choice(["A", "B", "C"], N),
        "mrs": RNG.integers(0, 3, N),
    }
)
X.loc[:5, "age"] = np.nan
X.loc[8:11, "sex"] = None
Y = RNG.integers(0, 2, N)
DIVIDED = {"nonnormal": ["nihss"], "categorical": ["mrs"]}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_it_has_the_numbers_of_tableone():
    tableone = pytest.importorskip("tableone")
    theirs = tableone.TableOne(
        X.assign(y=Y),
        columns=list(X),
        categorical=["sex", "afib", "site", "mrs"],
        nonnormal=["nihss"],
        groupby="y",
        smd=True,
        include_null=False,
    ).tableone
    theirs.columns = theirs.columns.droplevel(0)
    ours = table_one(X, Y, **DIVIDED)
    columns = dict(zip(ours.columns[1:4], ("Overall", "0", "1"), strict=True))
    for (name, level), row in theirs.iloc[1:].iterrows():
        column = name.split(",")[0]
        kind = name.split(", ", 1)[1].replace("Q1,Q3", "Q1, Q3")
        if column == "afib":
            if level == "False":
                continue
            level = ""
        mine = ours.loc[f"{column} = {level}, {kind}" if level else f"{column}, {kind}"]
        for heading, other in columns.items():
            assert mine[heading].replace(", ", ",") == row[other], (name, level)
        if row["SMD (0,1)"]:
            assert float(mine["SMD"]) == pytest.approx(abs(float(row["SMD (0,1)"])), abs=0.006)


def test_tables_of_any_kind_are_described_alike():
    wanted = table_one(X, Y, **DIVIDED)
    lists = {name: column.astype(object).where(column.notna(), None) for name, column in X.items()}
    polars = pl.DataFrame({name: column.tolist() for name, column in lists.items()})
    by_polars = table_one(polars, Y.tolist(), **DIVIDED)
    pd.testing.assert_frame_equal(by_polars, wanted)
    objects = table_one(X.astype(object), pd.Series(Y), **DIVIDED)
    pd.testing.assert_frame_equal(objects, wanted)
    array = table_one(X.to_numpy(), Y, nonnormal=[1], categorical=[5])
    assert array.to_numpy().tolist() == wanted.to_numpy().tolist()
    assert array.index[0] == "0, mean (SD)"


def test_what_is_missing_is_counted_whatever_its_spelling():
    table = X.assign(lactate=["NA", "1.5"] * (N // 2))
    with pytest.warns(UserWarning, match="Taken as missing values.*'lactate'") as caught:
        found = table_one(table)
    assert len(caught) == 1
    assert found.loc["age, mean (SD)", "missing, n (%)"] == f"6 ({600 / N:.1f})"
    assert found.loc["sex = f, n (%)", "missing, n (%)"] == f"4 ({400 / N:.1f})"
    assert found.loc["sex = m, n (%)", "missing, n (%)"] == ""
    assert found.loc["lactate = 1.5, n (%)", "missing, n (%)"] == "35 (50.0)"
    assert found.columns.tolist() == ["missing, n (%)", f"all (n = {N})"]
    women = (X["sex"] == "f").sum()
    assert found.loc["sex = f, n (%)"].iloc[1] == f"{women} ({100 * women / (N - 4):.1f})"


def test_scans_count_by_whether_there_is_one():
    scans = [f"{k}.nii.gz" if k % 5 else None for k in range(N)]
    row = table_one(X.assign(scan=scans), Y).loc["scan, present, n (%)"]
    assert row.iloc[:2].tolist() == ["14 (20.0)", "56 (80.0)"]
    volumes = pd.Series([np.zeros((2, 2, 2)) if k % 5 else None for k in range(N)], dtype=object)
    assert table_one(X.assign(scan=volumes)).loc["scan, present, n (%)"].iloc[1] == "56 (80.0)"


def test_parts_can_be_others_than_classes():
    by_site = table_one(X, by="site")
    assert not any(name.startswith("site") for name in by_site.index)
    sizes = X["site"].value_counts().sort_index()
    wanted = [f"{name} (n = {n})" for name, n in sizes.items()]
    assert by_site.columns.tolist()[2:-1] == wanted
    where = pd.Series(["dev"] * 40 + [None] * 30)
    headings = table_one(X, by=where).columns
    assert headings.tolist()[2:4] == ["dev (n = 40)", "missing (n = 30)"]
    # of three parts, the greatest of any two
    pairs = [
        table_one(X[X["site"] != left_out], by="site").loc["nihss, mean (SD)", "SMD"]
        for left_out in "ABC"
    ]
    assert by_site.loc["nihss, mean (SD)", "SMD"] == max(pairs)


def test_distance_of_a_share_and_of_what_never_varies():
    flag = pd.DataFrame({"flag": [True] * 3 + [False] * 7 + [True] * 6 + [False] * 4})
    halves, p, q = np.repeat([0, 1], 10), 0.3, 0.6
    wanted = (q - p) / np.sqrt((p * (1 - p) + q * (1 - q)) / 2)
    assert table_one(flag, halves).loc["flag, n (%)", "SMD"] == f"{wanted:.2f}"
    texts = flag["flag"].map({True: "yes", False: "no"}).to_frame()
    assert table_one(texts, halves).loc["flag = no, n (%)", "SMD"] == f"{wanted:.2f}"
    apart = pd.DataFrame({"flag": halves == 1, "kind": np.repeat(["a", "b"], 10)})
    assert table_one(apart, halves)["SMD"].tolist() == ["inf", "inf", ""]
    same = pd.DataFrame({"flag": np.ones(20, bool)})
    assert table_one(same, halves)["SMD"].tolist() == ["0.00"]


def test_categories_keep_their_order_and_names_are_counted():
    grades = pd.Categorical(["mild", "severe", "moderate"] * 10, ["mild", "moderate", "severe"])
    table = pd.DataFrame({"grade": grades, "mrn": [f"P{k}" for k in range(30)]})
    found = table_one(table)
    assert found.index.tolist() == [
        *(f"grade = {each}, n (%)" for each in ("mild", "moderate", "severe")),
        "mrn, different values",
    ]
    assert found.iloc[3, 1] == "30"


def test_forms_and_errors():
    odd = X.rename(columns={"sex": "sex_&_gender"})
    assert r"sex\_\&\_gender = f, n (\%) & " in table_one(odd, Y, form="latex")
    assert re.search(r"\| sex\\_\\&\\_gender = f, n \(%\) \|", table_one(odd, Y, form="markdown"))
    assert "sex_&amp;_gender" in table_one(odd, Y, form="html")
    with pytest.raises(ValueError, match="form must be one of"):
        table_one(X, form="pdf")
    with pytest.raises(ValueError, match="one division"):
        table_one(X, Y, by="site")
    with pytest.raises(ValueError, match=r"by='sites'.*Did you mean 'site'"):
        table_one(X, by="sites")
    with pytest.raises(ValueError, match="numbers that are no groups"):
        table_one(X, X["age"] + 0.5)
    with pytest.raises(ValueError, match="one value a row"):
        table_one(X, Y[:3])
    with pytest.raises(ValueError, match="another order"):
        table_one(X, pd.Series(Y, X.index)[::-1])
    dated = X.assign(seen=pd.Timestamp("2026-01-01"))
    with pytest.raises(ValueError, match=r"'seen' holds dates.*columns= names the others"):
        table_one(dated)
    assert len(table_one(dated, columns=["age"])) == 1  # the remedy
    with pytest.raises(ValueError, match="'age' is infinite in row 7"):
        table_one(X.assign(age=X["age"].where(X.index != 7, np.inf)))
