from __future__ import annotations

import sys

import pytest

from skedema.datasets import make_head_ct_cohort


def test_the_table_and_sheets_of_heads_have_every_scan(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    from benchmarks import heads

    make_head_ct_cohort(2, tmp_path / "scans", random_state=0)
    argv = ["heads", str(tmp_path / "scans"), "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", argv)
    heads.main()
    lines = (tmp_path / "out" / "heads.md").read_text(encoding="utf-8").splitlines()
    assert lines == capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert all("| nothing |" in line for line in lines[2:])
    assert [path.name for path in (tmp_path / "out").glob("*.png")] == ["heads-1.png"]


def test_density_is_reported_for_each_cohort(monkeypatch, capsys):
    from benchmarks import density

    argv = ["density", "--patients", "16", "--seeds", "1", "2", "--real", ""]
    monkeypatch.setattr(sys, "argv", argv)
    density.main()
    _, _, *rows = capsys.readouterr().out.splitlines()
    assert [row.split(" | ")[:2] for row in rows] == [
        [f"| simulated, seed {seed}", "16"] for seed in (1, 2)
    ]
