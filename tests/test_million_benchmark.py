"""The estimate for a million scans."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from benchmarks import million

VALUES = {name: constant.value for name, constant in million.CONSTANTS.items()}
README = Path(million.__file__).with_name("README.md").read_text(encoding="utf-8")


def table(**others):
    rows = million.estimate(VALUES | others.pop("constants", {}), **others)
    return {row.what: row.value for row in rows}


def test_each_row_follows_from_the_constants():
    found = table(scans=1_000_000, epochs=100, gpus=1)
    assert found["raw scans"] == pytest.approx(VALUES["raw_mb"])  # TB of a million
    assert found["all epochs"] == pytest.approx(1e8 / VALUES["scans_s"] / 86400)
    assert found["all epochs"] == pytest.approx(100 * found["an epoch"] / 24)
    assert found["GPU days"] == found["all epochs"]
    costs = [value for what, value in found.items() if what.startswith("cost: ")]
    assert found["cost in all"] == pytest.approx(sum(costs))


def test_several_gpus_cost_what_does_not_scale():
    one, eight = (table(scans=10**6, epochs=100, gpus=gpus) for gpus in (1, 8))
    assert eight["all epochs"] == pytest.approx(one["all epochs"] / 8 / VALUES["scaling"])
    assert eight["cost: GPUs"] == pytest.approx(one["cost: GPUs"] / VALUES["scaling"])


def test_measured_constants_stand_in_the_tables_that_they_name():
    assert re.search(r"skedema \| 64 \| bf16 \| 269 \| 238 ", README)
    assert re.search(r"skedema, cold \| 1 \| 46\.4 ", README)
    assert re.search(r"skedema, from cache \| 1 \| 7\.8 ", README)
    assert "8.3 MB of `.nii.gz` each" in README


def test_another_price_is_taken_and_named(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["million", "--gpus", "1", "--set", "gpu_price=6"])
    million.main()
    out = capsys.readouterr().out
    assert "| gpu_price | 6 | $ a GPU and hour | given |" in out
    assert "| cost: GPUs | 700 | $ |" in out
