"""The examples run as a reader would run them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.slow
def test_real_exams_are_cross_validated_with_two_jobs(real_data):
    done = subprocess.run(
        [sys.executable, EXAMPLES / "ct_ich.py", "--n-jobs", "2"],
        env={**os.environ, "SKEDEMA_REAL_DATA": str(real_data)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "82 exams, 36 with haemorrhage" in lines[0]
    rows = [line for line in lines[1:] if "+-" in line]
    assert [line.split("  ")[0] for line in rows] == [
        "fused",
        "scan alone (HCT only)",
        "table alone",
        "logistic regression on age, sex",
    ]
    # Four figures with their spread a row; what they are is reported, not asserted.
    assert all(line.count("+-") == 4 for line in rows)


@pytest.mark.slow
def test_a_search_goes_on_when_the_example_is_run_again(tmp_path):
    command = [sys.executable, "-W", "error", EXAMPLES / "tune.py", "--folder", tmp_path]
    for n_trials, shown in (("1", "1/1"), ("2", "2/2")):
        done = subprocess.run(
            [*command, "--n-trials", n_trials], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"{n_trials} trials completed, 0 given up early")
        assert len(re.findall(r"^AUC .*: 0\.\d{3}", done.stdout, re.MULTILINE)) == 3
        assert shown in done.stderr
        assert (tmp_path / "tuning.journal").exists()
    assert "50%" in done.stderr  # the trial of the first run
