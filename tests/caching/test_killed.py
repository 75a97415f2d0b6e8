"""What was kept before a kill is there after it, and the end is the same to the bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "_killed_work.py"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills processes that it forks")
@pytest.mark.parametrize("kind", ["extraction", "classification"])
def test_kills_at_random_moments_change_nothing(tmp_path, kind):
    one_thread = {f"{pool}_NUM_THREADS": "1" for pool in ("OMP", "MKL", "OPENBLAS")}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(SCRIPT), str(tmp_path), kind],
        env={**os.environ, **one_thread, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    log = json.loads(done.stdout.splitlines()[-1])
    assert log["whole"], "keeping alone changed the result"
    assert log["equal"] == [True] * 6
    assert log["lost"] == 0, "what was kept was made again"
    assert sum(n > 0 for n in log["kept"]) >= 2
