"""The benchmark for a GPU, rehearsed on the CPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(
    not (ROOT / "benchmarks" / "gpu.py").exists(), reason="an sdist holds no benchmarks"
)


def rehearse(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.gpu", "--device", "cpu", "--quick", *arguments]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        capture_output=True,
        text=True,
        timeout=290,
    )


@pytest.mark.slow
def test_every_part_runs_and_has_its_table(tmp_path):
    parts = ("--parts", "tests,speed,compile,pretraining")
    done = rehearse("--minutes", "30", "--jobs", "1", *parts, "--out", str(tmp_path / "gpu.md"))
    assert done.returncode == 0, done.stdout + done.stderr
    text = (tmp_path / "gpu.md").read_text()
    assert done.stdout.endswith(f"\n{text}\n")
    for row in (
        "| marked cuda | 14 | 0 | 0 | 0 |",
        "| matmul | dtype | TFLOP/s |",
        "| skedema | 3 | bf16 |",
        "| plain | 2 | tf32 |",
        "| encoding | 1 | fp32 |",
        "| compiled blocks | 2 | bf16 |",
        "| skedema, cross decoder of a third | 3 | bf16 |",
        "| tiny | self | 0 | 0 | 0 | mean | 16 |",
        "| tiny | cross, a third | 0 | 4 |",
    ):
        assert row in text, row


@pytest.mark.slow
def test_a_part_that_fails_costs_the_others_nothing(tmp_path):
    # 0.2 minutes are 2 s: too few for any part, and each is stopped.
    done = rehearse(
        "--minutes", "0.2", "--parts", "speed,compile", "--out", str(tmp_path / "gpu.md")
    )
    assert done.returncode == 2
    assert "== speed failed, or was stopped" in done.stdout
    assert "== compile failed, or was stopped" in done.stdout
    assert (tmp_path / "gpu.md").read_text().startswith("## GPU")


def test_an_unknown_part_is_refused():
    done = rehearse("--parts", "tests,sped")
    assert done.returncode == 2
    assert "unknown parts ['sped']" in done.stderr
