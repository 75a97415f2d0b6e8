"""Processes that pre-train one network together, each on its part of every batch.

They are the process group of ``torch.distributed`` that the caller has made. All draw the same
random numbers, those of the whole batch, and the gradients of the parts are added up, so that
weights are, but for rounding, those of one process with that batch.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn


class Ranks(NamedTuple):
    """Which of the processes this is, and how many there are."""

    rank: int = 0
    size: int = 1

    @classmethod
    def here(cls) -> Ranks:
        """Give those of the process group, if there is one."""
        if dist.is_available() and dist.is_initialized():
            return cls(dist.get_rank(), dist.get_world_size())
        return cls()

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes and speaks."""
        return self.rank == 0

    def part(self, n: int) -> slice:
        """Give the places of this process in a batch of n scans."""
        return slice(n * self.rank // self.size, n * (self.rank + 1) // self.size)

    def device(self, device: torch.device) -> torch.device:
        """Give each process of a machine a GPU of its own, if none is named."""
        if self.size == 1 or device.type != "cuda" or device.index is not None:
            return device
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", torch.cuda.current_device())))

    def add_gradients(self, module: nn.Module, values: Tensor) -> Tensor:
        """Add up the gradients of all processes, and values beside them; gives the values' sums."""
        if self.size == 1:
            return values
        parameters = list(module.parameters())
        # A parameter that learns nothing in any of them keeps no gradient, as in one process.
        learns = torch.tensor([p.grad is not None for p in parameters], device=values.device)
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        flat = torch.cat([values, learns.to(values), *(each.flatten() for each in gradients)])
        dist.all_reduce(flat)
        sizes = [len(values), len(parameters), *(p.numel() for p in parameters)]
        sums, learned, *found = torch.split(flat, sizes)
        for p, gradient, is_there in zip(parameters, found, learned.tolist(), strict=True):
            p.grad = gradient.view_as(p) if is_there else None
        return sums

    def of_first(self, make: Callable[[], Any], device: torch.device) -> Any:
        """Let the first process make something, and give it to all; tensors are then on the CPU.

        What it raises ends the others as well.
        """
        if self.size == 1:
            return make()
        found: list[Any] = [None]
        failure: BaseException | None = None
        if self.is_first:
            try:
                content = io.BytesIO()
                torch.save(make(), content)
                found = [content.getvalue()]
            except Exception as error:
                failure = error
        with _current(device):
            dist.broadcast_object_list(found, src=0, device=_of_collectives(device))
        if failure is not None:
            raise failure
        if found[0] is None:
            raise RuntimeError("The first of the processes has failed; its message says why.")
        return torch.load(io.BytesIO(found[0]), map_location="cpu", weights_only=False)

    def gathered(self, value: Any, device: torch.device) -> list[Any]:
        """Give the values of all processes to each of them."""
        if self.size == 1:
            return [value]
        found: list[Any] = [None] * self.size
        with _current(device):
            dist.all_gather_object(found, value)
        return found


def _of_collectives(device: torch.device) -> torch.device:
    return device if dist.get_backend() == "nccl" else torch.device("cpu")


def _current(device: torch.device) -> Any:
    # NCCL sends objects by way of the current GPU.
    return torch.cuda.device(device if device.type == "cuda" else -1)
