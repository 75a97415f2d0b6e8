"""The page on figures runs as a reader would run it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from skedema.evaluation._accessor import MetricsAccessor

PAGE = (Path(__file__).parents[1] / "docs" / "displays.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_examples_of_the_page_run_one_after_the_other(tmp_path, monkeypatch, capsys):
    plt = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(examples) == 3
    names = {"__name__": "displays_page"}
    for number, example in enumerate(examples):
        quick = example.replace("Classifier(random_state=0)", "Classifier(max_epochs=3)", 1)
        exec(compile(quick, f"docs/displays.md, example {number + 1}", "exec"), names)
    plt.close("all")
    assert (tmp_path / "roc.png").exists()
    assert capsys.readouterr().out.startswith("ROC")


def test_every_figure_that_is_named_exists():
    table = re.findall(r"^\| `([a-z_]+)\(.*", PAGE, re.MULTILINE)
    assert table
    assert all(hasattr(MetricsAccessor, name) for name in table)
