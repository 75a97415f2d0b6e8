"""The page on the simulated cohort, run as a reader would run it, and its figures."""

from __future__ import annotations

import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

import skedema.datasets
from skedema.datasets._acquisition import SCANNERS
from skedema.datasets._patients import draw_patients
from skedema.datasets._posterior import additive
from skedema.datasets._subject import PATTERNS
from skedema.datasets._variables import PATTERN_AND_LABEL, SEPARATION

PAGE = (Path(__file__).parents[1] / "docs" / "datasets.md").read_text(encoding="utf-8")


def table(first_cell: str) -> dict[str, list[str]]:
    """Give the rows of the page's table whose heading begins with a cell, by their own first."""
    lines = iter(PAGE.replace("\n   |", "\n|").splitlines())
    for line in lines:
        if line.startswith(f"| {first_cell} |"):
            next(lines)
            break
    rows = {}
    for line in lines:
        if not line.startswith("|"):
            return rows
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        rows[name] = cells
    return rows


def test_examples_of_the_page_run_one_after_the_other(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "datasets_page"}
    examples = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for number, example in enumerate(examples):
        exec(compile(example, f"docs/datasets.md, example {number + 1}", "exec"), names)
    assert len(examples) == 2
    assert names["cohort"].findings["pattern"].iloc[2] == "none"  # as the example says

    lesions = re.findall(r"severity .*: (\d+) ml, (\S+) HU darker", capsys.readouterr().out)
    volumes, darker = np.array(lesions, dtype=float).T
    assert len(volumes) == 3
    assert (np.diff(volumes) > 0).all()
    assert (np.diff(darker) > 0).all()
    (written,) = Path("cohort").glob("*-edema.nii.gz")
    np.testing.assert_array_equal(np.asarray(nib.load(written).dataobj), names["found"].volume)


def test_page_names_everything_public():
    for name in skedema.datasets.__all__:
        assert name in PAGE or name == "ImplantedEdema", name
    for column in skedema.datasets._variables.COLUMNS:
        assert re.search(rf"\b{column}\b", PAGE), column


def test_page_tells_the_patterns_and_scanners_of_the_code():
    patients = table("pattern")
    assert list(patients) == list(PATTERNS)
    for row, shares, separation in zip(
        patients.values(), PATTERN_AND_LABEL, SEPARATION, strict=True
    ):
        assert row[0] == f"{shares.sum():.0%}".replace("%", " %")
        assert row[1] == f"{shares[1] / shares.sum():.0%}".replace("%", " %")
        assert f"{separation:g}" in PAGE
    for site, row in table("site").items():
        scanner = SCANNERS[site]
        assert [float(cell) for cell in row[1:6]] == [
            *(scanner.thickness, scanner.sharpness, scanner.noise, scanner.offset, scanner.padding)
        ]


@pytest.mark.slow
def test_page_tells_the_figures_of_the_model():
    patients = draw_patients(40_000, 0.15, np.random.SeedSequence(5))
    y, oracle = patients.target, patients.oracle
    shown = table("AUC")
    for name, row in shown.items():
        of = np.ones(len(y), bool) if name == "all" else patients.pattern == name
        for column, cell in zip(oracle, row, strict=True):
            assert roc_auc_score(y[of], oracle[column][of]) == pytest.approx(float(cell), abs=0.012)
    assert list(shown) == ["all", *PATTERNS]
    for column, accuracy in zip(oracle, (0.82, 0.84, 0.91), strict=True):
        assert accuracy_score(y, oracle[column] > 0.5) == pytest.approx(accuracy, abs=0.01)
    assert roc_auc_score(y, additive(oracle)) == pytest.approx(0.953, abs=0.004)
    for variables, (share, _) in table("variable").items():
        for variable in set(variables.split(", ")) - {"scan"}:
            missing = patients.clinical[variable].isna().mean()
            told = 0.0 if share == "never" else float(share.removesuffix(" %")) / 100
            assert missing == pytest.approx(told, abs=0.012), variable


@pytest.mark.slow
@pytest.mark.parametrize("interaction", ["0", "0.5", "1"])
def test_page_tells_the_figures_of_interaction(interaction):
    seed = np.random.SeedSequence(5)
    patients = draw_patients(40_000, 0.15, seed, interaction=float(interaction))
    y, oracle = patients.target, patients.oracle
    oracle = oracle.assign(additive=additive(oracle))
    *cells, gap = table("interaction")[interaction]
    for column, cell in zip(oracle, cells, strict=True):
        auc, loss = map(float, re.findall(r"[\d.]+", cell))
        assert roc_auc_score(y, oracle[column]) == pytest.approx(auc, abs=0.006)
        assert log_loss(y, oracle[column]) == pytest.approx(loss, abs=0.006)
    found = roc_auc_score(y, oracle["both"]) - roc_auc_score(y, oracle["additive"])
    assert found == pytest.approx(float(gap), abs=0.006)
