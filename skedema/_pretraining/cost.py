"""What a fit will cost, measured on a few of its own steps."""

from __future__ import annotations

import statistics
import time
from typing import NamedTuple

import torch

from skedema._measured import Tensors, duration, process_peak
from skedema._pretraining.loop import Training
from skedema._pretraining.ranks import Ranks
from skedema._pretraining.source import Rows

_STEPS = 3


class Cost(NamedTuple):
    """The cost of a fit.

    Attributes
    ----------
    n_parameters : int
        Weights of the network.
    memory : int
        Bytes that training holds at the peak of a step: weights, the best so far, gradients, the
        optimizer's moments, and what the passes make; on a CUDA device if that trains. The cache of
        volumes (`skedema.scans.cache.DEFAULT_MAX_BYTES` at most) and the libraries come on top.
    seconds_per_step : float
        Seconds a step takes.
    seconds_per_scan : float
        Seconds it takes to read a scan, which happens once where scans fit into the cache.
    n_steps : int
        Steps of the fit.
    seconds : float
        Seconds the fit takes: its steps, and reading each scan once.
    """

    n_parameters: int
    memory: int
    seconds_per_step: float
    seconds_per_scan: float
    n_steps: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.n_parameters / 1e6:.2f} million parameters, {self.memory / 1e9:.2f} GB; "
            f"{self.n_steps} steps of {self.seconds_per_step:.3g} s and "
            f"{self.seconds_per_scan:.2g} s to read a scan: about {duration(self.seconds)}"
        )


def measure(training: Training) -> Cost:
    """Take a few steps of a run, which is of no use afterwards, and time them."""
    training.ranks = Ranks()  # whoever else there may be
    source = training.source
    n_parameters = sum(p.numel() for p in training.module.parameters())
    weights = sum(p.nbytes for p in training.module.parameters())
    if not training.n_epochs:
        return Cost(n_parameters, weights, 0.0, 0.0, 0, 0.0)
    first = next(iter(training.batches()))
    begin = time.perf_counter()
    for row in first.tolist():
        _ = source[row]
    per_scan = (time.perf_counter() - begin) / len(first)
    before = process_peak()
    tensors = _tensor_peak(training, first)  # this step also warms up
    seconds = []
    for _ in range(_STEPS):
        begin = time.perf_counter()
        training.step(first)
        seconds.append(time.perf_counter() - begin)
    per_step = statistics.median(seconds)
    # Operations hold memory that no tensor shows, but a process that was larger before hides it.
    on_gpu = training.device.type == "cuda"
    held = tensors if on_gpu else max(tensors, process_peak() - before)
    n_full = training.n_epochs * len(source) / len(first)  # the last batch may be smaller
    return Cost(
        n_parameters,
        held + 2 * weights,  # the network's own, and the best ones, kept from the first epoch on
        per_step,
        per_scan,
        training.n_steps,
        n_full * per_step + len(source) * per_scan,
    )


def _tensor_peak(training: Training, rows: Rows) -> int:
    """Take a step, and give the bytes that tensors other than the weights held at its peak."""
    device = training.device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before: int = torch.cuda.memory_allocated(device)
        training.step(rows)
        after: int = torch.cuda.max_memory_allocated(device)
        return after - before
    with Tensors() as tensors:
        training.step(rows)
    peak: int = tensors.peak
    return peak
