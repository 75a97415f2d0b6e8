"""Fits that are killed on a GPU, and go on there or elsewhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import skedema._checkpoints

from ._killed import KINDS, before_each_step, fit, learned

pytestmark = pytest.mark.cuda

N_STEPS = 5  # of nine, or of those of early stopping; in the second epoch


@pytest.fixture
def steps(monkeypatch):
    """Note each step from now on; checkpoints are written after every one."""
    taken = []
    for owner, (name, method) in before_each_step(lambda: taken.append(1)).items():
        monkeypatch.setattr(owner, name, method)
    monkeypatch.setattr(skedema._checkpoints, "_FIRST", 0.0)
    monkeypatch.setattr(skedema._checkpoints, "_SHARE", float("inf"))
    return taken


def kill(kind: str, device: str, folder: Path) -> None:
    script = Path(__file__).parent / "_killed.py"
    killed = subprocess.run(
        [sys.executable, script, kind, device, folder, str(N_STEPS)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr


@pytest.mark.skipif(os.name != "posix", reason="kills by a signal")
@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_that_was_killed_goes_on_there_to_the_same_bits(
    gpu, tmp_path, steps, deterministic, kind
):
    kill(kind, gpu, tmp_path)
    whole = fit(kind, gpu, None)
    n_whole = len(steps)
    model = fit(kind, gpu, tmp_path)
    assert len(steps) - n_whole == n_whole - N_STEPS
    for found, expected in zip(learned(model), learned(whole), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.skipif(os.name != "posix", reason="kills by a signal")
@pytest.mark.parametrize("kind", ["trained", "table", "fixed"])
def test_a_classifier_that_was_killed_there_goes_on_on_the_cpu(gpu, tmp_path, steps, kind):
    kill(kind, gpu, tmp_path)
    model = fit(kind, "cpu", tmp_path)
    assert model.n_iter_ == 3
    # Features of a fixed encoder are those of the CPU now: it is another fit.
    again = kind == "fixed" and torch.device(gpu).type != "cpu"
    n_steps = 3 * -(-24 // 8) if kind != "table" else 3 * -(-18 // 8)
    assert len(steps) == n_steps - (0 if again else N_STEPS)
    assert np.isfinite(np.concatenate([each.ravel() for each in learned(model)])).all()
