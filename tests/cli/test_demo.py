from __future__ import annotations

import pandas as pd
import pytest

from skedema.evaluation import Evaluation


@pytest.mark.slow
def test_a_demonstration_ends_with_the_path_of_its_report(run, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(Evaluation, "report", lambda self, path: asked.append(path), raising=False)
    folder = tmp_path / "demo"
    ended = run("demo", folder, "--patients", "40", "-q")
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[-1] == str(folder / "report.html")
    assert asked == [folder / "report.html"]
    table = pd.read_csv(folder / "cohort.csv")
    assert len(table) == 40
    assert all((folder / scan).exists() for scan in table["scan"])
    assert "roc_auc" in ended.out
