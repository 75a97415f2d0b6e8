"""The page on evaluation runs as a reader would run it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import skedema.evaluation
from skedema.evaluation._report import NAMES
from skedema.evaluation.metrics import METRICS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_examples_of_the_page_run_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(examples) == 9
    names = {"__name__": "evaluation_page"}
    for number, example in enumerate(examples):
        quick = example.replace("Classifier(random_state=0)", "Classifier(max_epochs=3)", 1)
        quick = quick.replace("n_repeats=3", "n_repeats=2")
        exec(compile(quick, f"docs/evaluation.md, example {number + 1}", "exec"), names)
    assert len(list((tmp_path / "evaluation").glob("*.array"))) == 30
    assert names["held_out"].per_fold.shape[0] == 3
    assert names["grouped"].groups.tolist() == names["patient"].tolist()


def test_examples_of_the_page_on_external_validation_run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "external-validation.md").read_text(encoding="utf-8")
    names = {"__name__": "external_page"}
    for example in re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        exec(compile(example, "docs/external-validation.md", "exec"), names)
    pd.testing.assert_frame_equal(names["there"].predictions, names["result"].external.predictions)
    assert "external, 60 rows of 60 patients, positive class 'edema'" in repr(names["there"])


def test_examples_of_the_page_on_the_report_run(monkeypatch, tmp_path):
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
    names = {"__name__": "report_page"}
    for example in re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        exec(compile(example, "docs/report.md", "exec"), names)
    assert {each.name for each in tmp_path.iterdir()} == {"report.html", "short.html"}
    assert re.findall(r'^\| `"(\w+)"`', page, re.MULTILINE) == list(NAMES)


def test_page_names_everything_public():
    for name in (*skedema.evaluation.__all__, *METRICS):
        assert name in PAGE, name
    for name in ("summary", "compare", "subgroups", "decision_curve", "per_fold", "predictions"):
        assert f".{name}" in PAGE, name
        assert hasattr(skedema.evaluation.Evaluation, name) or name == "predictions"


def test_importing_it_needs_neither_torch_nor_optuna():
    unwanted = "{'torch', 'optuna'} & set(sys.modules)"
    code = f"import sys, skedema.evaluation; sys.exit(bool({unwanted}))"
    subprocess.run([sys.executable, "-c", code], check=True)
