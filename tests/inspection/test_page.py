from __future__ import annotations

import re
from pathlib import Path

import nibabel as nib
import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "where-it-looked.md").read_text(encoding="utf-8")


def test_the_example_runs_and_writes_what_it_says(tmp_path, monkeypatch, capsys):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    names = {}
    exec(compile(example, "docs/where-it-looked.md", "exec"), names)
    pyplot.close("all")
    assert "ScanRelevance(occlusion for 1" in capsys.readouterr().out
    where, scan = nib.load("where.nii.gz"), nib.load(names["X"]["scan"].iloc[0])
    assert where.shape == scan.shape
    assert (where.affine == scan.affine).all()
    assert Path("where.png").stat().st_size > 10_000
    for said in re.findall(r"`(clf\.predict_proba\(.*?\))`", PAGE):
        assert eval(said, names).shape == (1, 2)
