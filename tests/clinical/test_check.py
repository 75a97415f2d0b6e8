from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skedema.clinical import check

N = 60
Y_NUMBER = np.linspace(0.5, 9, N)
RNG = np.random.default_rng(0)
Y = np.array(["no", "yes"] * (N // 2))
X = pd.DataFrame(
    {
        "scan": [f"scans/{k}.nii.gz" for k in range(N)],
        "patient": np.arange(N) + 7,
        "age": RNG.integers(18, 95, N),
        "sex": RNG.choice(["f", "m"], N),
        "outcome": Y,
        "when": pd.date_range("2024-01-01", periods=N),
        "sodium": np.where(np.arange(N) < 3, -999, RNG.normal(139, 5, N)),
        "nothing": np.nan,
        "same": 1.0,
        "mixed": ["5,1", *RNG.normal(size=N - 1).astype(object)],
    },
    index=[f"P{k}" for k in range(N)],
)


def found(table, name):
    row = table.set_index("column").loc[name]
    return row["kind"], " ".join(row["findings"])


def test_every_column_is_one_row():
    table = check(X, Y)
    assert table["column"].tolist() == list(X)
    assert list(table) == ["column", "kind", "n_missing", "n_distinct", "auc", "findings"]
    assert table["n_missing"].dropna().tolist() == [0, 0, 0, 0, 0, 0, 60, 0, 0]
    assert found(table, "scan") == ("scan", "")
    assert found(table, "age") == ("numeric", "")
    assert found(table, "sex") == ("categorical", "")
    assert table.set_index("column").loc["sex", "n_distinct"] == 2
    assert table.set_index("column").loc["outcome", "auc"] == 1


@pytest.mark.parametrize(
    ("name", "kind", "finding"),
    [
        ("patient", "numeric", "named like an identifier"),
        ("outcome", "categorical", "a value of its own for each class"),
        ("when", "refused", "dates or times"),
        ("sodium", "numeric", "-999 in rows 0, 1, 2 (index 'P0', 'P1', 'P2')"),
        ("nothing", "empty", "no value at all"),
        ("same", "numeric", "the same for all"),
        ("mixed", "refused", "mixes numbers with text"),
    ],
)
def test_what_is_odd_is_a_finding_and_no_error(name, kind, finding):
    found_kind, findings = found(check(X, Y), name)
    assert found_kind == kind
    assert finding in findings


def test_words_for_missing_are_a_finding_of_their_column_and_no_warning():
    mixed = X.assign(sex=["f", "NA", *X["sex"][2:]])
    for cohort in (mixed, mixed.drop(columns=["when", "mixed"])):
        table = check(cohort, Y)
        assert found(table, "sex")[1].startswith(
            "Taken as missing values, as pandas.read_csv does: 'NA' in column 'sex', row 1 (index"
        )
        assert found(table, "age")[1] == ""
    scans = X.assign(scan=["NA", *X["scan"][1:]])
    kind, findings = found(check(scans, Y), "scan")
    assert kind == "scan"
    assert "'NA' in column 'scan', row 0" in findings
    (finding,) = check(np.array([["x"], ["NA"], ["y"]], dtype=object))["findings"][0]
    assert "'NA' in column 0, row 1." in finding


def test_without_labels_only_what_labels_tell_is_missing():
    table = check(X)
    assert found(table, "outcome") == ("categorical", "")
    assert "identifier" in found(table, "patient")[1]
    assert table["auc"].isna().all()


def test_patients_without_a_label_are_left_out():
    y = pd.Series(Y, index=X.index).where(np.arange(N) > 5)
    assert "each class" in found(check(X, y), "outcome")[1]


def test_columns_that_tell_the_answer_together_name_each_other():
    kind = np.where(Y == "yes", RNG.integers(0, 2, N), -1)
    table = check(X[["age", "sex"]].assign(left=kind == 0, right=kind == 1), Y)
    assert found(table, "age")[1] == ""
    for name in ("left", "right"):
        assert "columns 'left', 'right' tell class 'yes' together" in found(table, name)[1]


def test_containers_give_the_same():
    usable = X.drop(columns=["when", "mixed"])
    wanted = check(usable, Y)
    as_polars = check(pl.DataFrame(usable.to_dict("list")), Y)
    assert as_polars["kind"].tolist() == wanted["kind"].tolist()
    as_array = check(usable.to_numpy(dtype=object), Y)
    assert as_array["column"].tolist() == list(range(8))
    assert "each class" in as_array["findings"][4][0]
    assert check(X[["age", "scan"]], image="scan")["kind"].tolist() == ["numeric", "scan"]


def test_trusted_columns_are_left_in_peace():
    assert found(check(X, Y, trusted_columns=["outcome", "patient"]), "outcome")[1] == ""


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match=r"y has shape \(3,\)"):
        check(X, [0, 1, 0])
    with pytest.raises(ValueError, match="in another order"):
        check(X, pd.Series(Y, index=X.index)[::-1])
    with pytest.raises(ValueError, match=r"trusted_columns='aeg'.*'age'"):
        check(X, Y, trusted_columns=["aeg"])
    with pytest.raises(ValueError, match="Expected 2D array"):
        check(X["age"])


def test_whole_numbers_are_looked_at_as_numbers_where_it_is_said():
    days = np.random.default_rng(1).permutation(np.arange(N)) + 3
    table = X[["age", "sex"]].assign(hours=24.0 * days + 0.5, months=days // 30)
    of_classes, of_numbers = (check(table, days, numbers=said) for said in (None, True))
    assert found(of_classes, "hours")[1] == ""
    assert found(of_numbers, "hours")[1] == "tells y by itself (rank correlation 1.000)"
    assert found(of_numbers, "age")[1] == ""
    assert of_numbers["auc"].isna().all()
    pd.testing.assert_frame_equal(check(table, days + 0.25), of_numbers)
    some = pd.Series(days, index=table.index).astype(object).where(days > 5, None)
    assert "tells y by itself" in found(check(table, some, numbers=True), "hours")[1]
    score = days % 7  # mRS: a class each, or a number
    of_score = check(table.assign(copy=score), score, numbers=True)
    assert found(of_score, "copy")[1] == "tells y by itself (R2 1.000 out of fold)"
    assert found(check(table.assign(copy=-Y_NUMBER), Y_NUMBER, numbers=False), "copy")[1] == ""
    with pytest.raises(ValueError, match="y holds 'no', and numbers=True is for numbers"):
        check(X, Y, numbers=True)
