from __future__ import annotations

import sys

import numpy as np
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


def test_the_first_run_reads_and_encodes_each_scan_once(tmp_path, monkeypatch, capsys):
    from benchmarks import first_run

    cohort = make_head_ct_cohort(20, tmp_path / "scans", shape=[32] * 3, spacing=[7] * 3)
    table = cohort.frame[["scan", "age"]].assign(sex="f", ich=np.arange(20) % 2)
    table.to_csv(tmp_path / "cohort.csv")
    monkeypatch.setattr(sys, "argv", ["first_run", str(tmp_path), "--threads", "1"])
    first_run.main()
    _, _, *rows = capsys.readouterr().out.splitlines()
    counts = [[row.split(" | ")[0], *row.split(" | ")[-2:]] for row in rows]
    told, reads, _ = counts.pop(0)
    assert told == "| estimated"
    assert 0 < int(reads) < 20  # measured on a few scans
    assert counts == [
        ["| cold", "20", "20 |"],
        ["| again", "0", "0 |"],
        ["| memory", "20", "20 |"],
        ["| from memory", "0", "0 |"],
    ]
