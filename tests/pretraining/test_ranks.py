"""Processes that pre-train one network together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch.testing import assert_close

from skedema._pretraining.ranks import Ranks

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
SCRIPT = Path(__file__).parent / "_ranks.py"
SECONDS = -1  # the last column of a history


@pytest.fixture(scope="module")
def group(tmp_path_factory):
    """Groups of two processes, and what they left."""
    folder = tmp_path_factory.mktemp("group")
    run = subprocess.run([sys.executable, SCRIPT, folder], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return folder, found(folder / "found.pt"), run.stderr


def found(path):
    return torch.load(path, weights_only=False)


def learned(left):
    """Give the weights but for biases of keys, whose gradient is zero but for rounding."""
    weights = dict(left["weights"])
    for name in [each for each in weights if each.endswith("query_key_value.bias")]:
        query, _, value = weights.pop(name).chunk(3)
        weights |= {f"{name} query": query, f"{name} value": value}
    return weights


def test_two_processes_train_as_one_with_the_whole_batch(group):
    folder, left, said = group
    assert left["ends"]["together"] == [0, 0], said
    alone, two = left["alone"], [found(folder / f"together{rank}.pt") for rank in range(2)]
    assert_allclose(two[0]["history"][:, :SECONDS], alone["history"][:, :SECONDS], rtol=1e-5)
    assert_close(learned(two[0]), learned(alone), rtol=1e-5, atol=1e-5)


def test_all_processes_end_with_the_same_and_one_speaks(group):
    folder, left, _ = group
    first, second = (found(folder / f"together{rank}.pt") for rank in range(2))
    assert_close(first["weights"], second["weights"], rtol=0, atol=0)
    assert_array_equal(first["history"], second["history"])
    assert first["told"] == left["alone"]["told"]
    assert len(first["told"]) == 1
    assert all(row in first["told"][0] for row in "17")
    assert not second["told"]


def test_one_that_is_killed_ends_the_other_and_torchrun_goes_on(group):
    folder, left, _ = group
    assert left["ends"]["killed"] == [1, -signal.SIGKILL]
    assert len(list((folder / "kept").rglob("vit_autoencoder.ckpt"))) == 1
    command = ["--standalone", "--nproc-per-node=2", SCRIPT, folder]
    run = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *command], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    whole = found(folder / "together0.pt")
    for rank in range(2):
        again = found(folder / f"again{rank}.pt")
        assert_close(again["weights"], whole["weights"], rtol=0, atol=0)
        assert_array_equal(again["history"][:, :SECONDS], whole["history"][:, :SECONDS])


def test_processes_that_do_not_fit_together_are_refused(group):
    _, left, said = group
    assert left["ends"]["different"] == left["ends"]["too many"] == [1, 1]
    assert "process 1 differs from process 0 in lr" in said
    assert "2 processes share each batch, of 1 scans: give batch_size=" in said


def test_parts_of_a_batch_are_all_of_it():
    for size in (1, 2, 3, 8):
        for n in range(1, 20):
            places = [list(range(n))[Ranks(rank, size).part(n)] for rank in range(size)]
            assert list(chain(*places)) == list(range(n))
            assert max(map(len, places)) - min(map(len, places)) <= 1
