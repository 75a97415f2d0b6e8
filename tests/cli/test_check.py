from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ._options import COLUMNS


@pytest.fixture
def broken(cohort, tmp_path):
    """Write a cohort with a damaged scan, a column of dates and one that is the same for all."""
    table = pd.read_csv(cohort, dtype=str)
    table["scan"] = [str(cohort.parent / scan) for scan in table["scan"]]
    (tmp_path / "damaged?id=3.nii.gz").write_bytes(b"no scan")
    table.loc[3, "scan"] = "damaged?id=3.nii.gz"
    table["seen"] = "2024-03-01"
    table.to_csv(tmp_path / "cohort.csv", index=False)
    return tmp_path / "cohort.csv"


def test_findings_name_row_and_column_and_end_by_1(run, broken, tmp_path):
    out = tmp_path / "findings.csv"
    ended = run("check", broken, *COLUMNS, "--target", "edema", "--no-heads", "-q", "-o", out)
    assert ended.code == 1
    assert ended.err == ""
    findings = pd.read_csv(out, keep_default_na=False)
    assert list(findings) == ["row", "patient", "column", "value", "stops", "finding"]
    stops = findings[findings["stops"]]
    assert set(zip(stops["row"], stops["column"], strict=True)) == {
        ("line 5", "scan"),
        ("", "seen"),
    }
    (scan,) = stops[stops["column"] == "scan"].to_dict("records")
    assert (scan["patient"], scan["value"]) == ("patient-0004", "damaged?id=3.nii.gz")
    assert "line 5" in ended.out
    assert "STOPS A FIT" in ended.out


def test_findings_alike_are_one_line_of_text(run, cohort):
    ended = run("check", cohort, *COLUMNS, "--no-heads", "-q")
    lines = [line for line in ended.out.splitlines() if "thick slices" in line]
    assert len(lines) == 1
    assert "scan, every row: thick slices" in lines[0]


def test_nothing_odd_ends_by_0(run, tmp_path):
    (tmp_path / "cohort.csv").write_text("age,sex\n61,f\n70,m\n55,f\n")
    ended = run("check", tmp_path / "cohort.csv")
    assert ended.code == 0
    assert ended.out == "nothing odd was found\n"


def test_the_table_of_findings_can_be_the_only_output(run, cohort):
    ended = run("check", cohort, *COLUMNS, "--no-heads", "-q", "-o", "-")
    assert ended.out.startswith("row,patient,column,value,stops,finding\n")


@pytest.fixture
def stays(tmp_path):
    """Write days in hospital, which are whole, and the same in hours with a bit more."""
    rng = np.random.default_rng(0)
    days = rng.permutation(60) + 2
    table = {"age": rng.integers(18, 95, 60), "hours": 24.0 * days + 0.5, "days": days}
    pd.DataFrame(table).to_csv(tmp_path / "stays.csv", index=False)
    return tmp_path / "stays.csv"


TOLD = "hours: tells y by itself (rank correlation 1.000)"


def test_what_tells_whole_numbers_is_found_of_a_regression(run, stays):
    target = ("--target", "days", "--task")
    ended = run("check", stays, *target, "regression", "-q")
    assert ended.code == 1
    assert ended.out.splitlines() == [TOLD]
    assert TOLD not in run("check", stays, *target, "classification", "-q").out


@pytest.mark.parametrize("command", ["fit", "evaluate"])
def test_a_dry_run_looks_for_the_same(run, stays, command):
    ended = run(command, stays, "--target", "days", "--task", "regression", "--dry-run", "-q")
    assert ended.code == 0
    assert TOLD in ended.out
