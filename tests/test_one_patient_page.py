from __future__ import annotations

import re
from pathlib import Path

PAGE = (Path(__file__).parents[1] / "docs" / "one-patient.md").read_text(encoding="utf-8")


def test_examples_of_the_page_run_one_after_the_other(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "one_patient_page"}
    for number, example in enumerate(re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)):
        exec(compile(example, f"docs/one-patient.md, example {number + 1}", "exec"), names)
    printed = capsys.readouterr().out
    assert "What moved it from" in printed
    assert "HistGradientBoostingClassifier, one patient" in printed
    assert (tmp_path / "patient.html").stat().st_size > 10_000
