from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from skedema.cli import main
from skedema.datasets import make_head_ct_cohort

from ._options import COLUMNS, SMALL

pytest.importorskip("typer")


@dataclass
class Ended:
    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys):
    """Run a command in this process, as the shell would."""

    def call(*arguments) -> Ended:
        with pytest.raises(SystemExit) as end:
            main([str(each) for each in arguments])
        out, err = capsys.readouterr()
        return Ended(end.value.code or 0, out, err)

    return call


@pytest.fixture(scope="session")
def cohort(tmp_path_factory) -> Path:
    """Write a simulated cohort with paths relative to its own folder."""
    folder = tmp_path_factory.mktemp("cohort")
    made = make_head_ct_cohort(
        40, folder / "scans", shape=[16] * 3, spacing=[13] * 3, random_state=0
    )
    table = made.frame[["scan", "age", "sex", "gcs", "sodium", "site"]].reset_index()
    table["scan"] = [f"scans/{Path(scan).name}" for scan in table["scan"]]
    table["edema"] = made.target.map({0: "none", 1: "edema"}).to_numpy()
    table.to_csv(folder / "cohort.csv", index=False, na_rep="n/a")
    return folder / "cohort.csv"


@pytest.fixture(scope="session")
def model(cohort, tmp_path_factory) -> Path:
    """Write a fitted model."""
    path = tmp_path_factory.mktemp("model") / "model.skedema"
    with pytest.raises(SystemExit) as end:
        main(["fit", str(cohort), "--target", "edema", *COLUMNS, *SMALL, "-q", "-o", str(path)])
    assert not end.value.code
    return path
