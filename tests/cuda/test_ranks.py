"""Processes that pre-train one network together on GPUs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist

from skedema._pretraining.ranks import Ranks

pytestmark = pytest.mark.cuda


@pytest.fixture
def group(gpu, tmp_path):
    backend = "nccl" if gpu == "cuda" else "gloo"
    if not dist.is_available() or (backend == "nccl" and not dist.is_nccl_available()):
        pytest.skip(f"torch lacks {backend}")
    method = f"file://{tmp_path}/group"
    dist.init_process_group(backend, init_method=method, rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_one_process_trains_as_if_there_were_no_group(
    autoencoder, gpu, scans, deterministic, request
):
    made = [autoencoder(device=gpu).fit(scans)]
    request.getfixturevalue("group")
    made.append(autoencoder(device=gpu).fit(scans))
    for name, value in made[0].module_.state_dict().items():
        assert torch.equal(made[1].module_.state_dict()[name], value), name


def test_what_processes_tell_each_other_goes_by_way_of_the_gpu(gpu, group):
    device = torch.device(gpu)
    told = Ranks(0, 2)  # so that it asks; the group has one
    assert told.of_first(lambda: {"a": torch.arange(3)}, device)["a"].tolist() == [0, 1, 2]
    assert told.gathered({"lr": "0.1"}, device)[0] == {"lr": "0.1"}
    module = torch.nn.Linear(3, 2).to(device)
    module(torch.ones(1, 3, device=device)).sum().backward()
    module.bias.grad = None
    before = module.weight.grad.clone()
    sums = told.add_gradients(module, torch.tensor([1.0, 2.0], device=device))
    assert sums.tolist() == [1, 2]
    assert torch.equal(module.weight.grad, before)
    assert module.bias.grad is None
    with pytest.raises(RuntimeError, match="over"):
        told.of_first(_fail, device)


def _fail():
    raise RuntimeError("over")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_two_processes_on_one_card_train_as_one_with_the_whole_batch(gpu, tmp_path):
    run = subprocess.run(
        [sys.executable, Path(__file__).parent / "_ranks.py", tmp_path, gpu],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    left = torch.load(tmp_path / "found.pt", weights_only=False)
    assert left["ends"] == [0, 0], run.stderr
    alone = left["alone"]
    first, second = (
        torch.load(tmp_path / f"together{rank}.pt", weights_only=False) for rank in range(2)
    )
    np.testing.assert_array_equal(first["history"], second["history"])
    for name, value in first["weights"].items():
        assert torch.equal(second["weights"][name], value), name
    np.testing.assert_allclose(first["history"][:, :-1], alone["history"][:, :-1], rtol=1e-4)
    # Adam makes something of the sign of a gradient that is nothing but rounding.
    weights = [
        torch.cat([v.flatten() for v in each["weights"].values()]) for each in (first, alone)
    ]
    off = float((weights[0] - weights[1]).norm() / weights[1].norm())
    print(f"weights off by {off:.1e} of their size")
    assert off <= 1e-3
