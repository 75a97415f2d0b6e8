"""Patients as tensors: the dataset and the loader that the network trains on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from skedema.modules.mirror import mirrored as mirrored_volumes

Batch = tuple[dict[str, Tensor], Tensor]


@dataclass(eq=False, kw_only=True)
class Patients(Dataset[Batch]):
    """Clinical values, scans, targets and weights of a group of patients, as tensors.

    Batches are taken by slicing ready tensors; torch's and skorch's own way collects a row at a
    time, which costs far more than a small network.

    Parameters
    ----------
    clinical : array of shape (n, K)
        Scaled values and category codes, NaN for missing.
    present : array of bool of shape (n,) or (n, k)
        Which patients have a scan; or which of their k scans.
    dtype : torch.dtype
        Of everything that is real.
    features : array of shape (n, k * T, E), default=None
        Ready-made features of the scans; anything finite where there is none.
    mirrored : array of shape (n, k * T, E), default=None
        Those of the scans mirrored left to right, where patients are to be taken so as well.
    volume : callable, default=None
        Gives the volume (C, X, Y, Z) of a scan, the j-th of patient i by the number k i + j. It is
        called when the patient's batch is due, so that volumes stream. At most one of `features`
        and `volume` is given.
    volume_shape : tuple of 4 int, default=None
        (C, X, Y, Z).
    mirror : bool, default=False
        Whether volumes may be taken mirrored.
    target : array of shape (n, ...), default=None
        What is to be learned; zeros if not given.
    weight : array of shape (n,), default=None
        Weights of the loss; ones if not given. Where there are members, of shape (n, M).
    asked : Tensor of bool of shape (n, M), default=None
        Which members answer; all if not given. The others have no weight.
    """

    clinical: Any = field(kw_only=False)
    present: Any = field(kw_only=False)
    dtype: torch.dtype
    features: Any = None
    mirrored: Any = None
    volume: Callable[[int], np.ndarray] | None = None
    volume_shape: tuple[int, ...] | None = None
    mirror: bool = False
    target: Any = None
    weight: Any = None
    asked: Tensor | None = None

    def __post_init__(self) -> None:
        n = len(self.clinical)
        self.clinical = torch.as_tensor(self.clinical, dtype=self.dtype)
        self.present = torch.as_tensor(np.ascontiguousarray(self.present))
        target = np.zeros(n, dtype=np.int64) if self.target is None else self.target
        self.target = torch.as_tensor(target)
        if self.target.is_floating_point():
            self.target = self.target.to(self.dtype)
        weight = np.ones(n) if self.weight is None else self.weight
        self.weight = torch.as_tensor(weight, dtype=self.dtype)
        for name in ("features", "mirrored"):
            given = getattr(self, name)
            if given is not None:
                setattr(self, name, torch.as_tensor(given, dtype=self.dtype))

    @property
    def n_scans(self) -> int:
        """Scans k of a patient."""
        return 1 if self.present.ndim == 1 else int(self.present.shape[1])

    @property
    def n_views(self) -> int:
        """2 where scans may be taken mirrored, else 1."""
        return 2 if self.mirror or self.mirrored is not None else 1

    def __len__(self) -> int:
        return len(self.clinical)

    def __getitem__(self, index: int) -> Batch:
        inputs, target = self.take(torch.tensor([index]))
        return {name: value[0] for name, value in inputs.items()}, target[0]

    def take(self, rows: Tensor, turned: Tensor | None = None) -> Batch:
        """Collect a batch; scans of `turned` are taken mirrored, which needs two views.

        Its inputs are ``clinical``, ``present``, ``weight``, where there are scans ``features`` or
        ``volume``, and where not all members are asked ``asked``.
        """
        inputs = {
            "clinical": self.clinical[rows],
            "present": self.present[rows],
            "weight": self.weight[rows],
        }
        if self.asked is not None:
            inputs["asked"] = self.asked[rows]
        if self.features is not None:
            features = self.features[rows]
            if turned is not None and self.mirrored is not None:
                features[turned] = self.mirrored[rows[turned]]
            inputs["features"] = features
        elif self.volume is not None and self.volume_shape is not None:
            volume = self._volumes(rows, self.volume, self.volume_shape)
            if turned is not None:
                volume[turned] = mirrored_volumes(volume[turned])
            inputs["volume"] = volume
        return inputs, self.target[rows]

    def _volumes(
        self, rows: Tensor, of_scan: Callable[[int], np.ndarray], shape: tuple[int, ...]
    ) -> Tensor:
        """Read (B, C, X, Y, Z), or (B, k, C, X, Y, Z) of several scans; zeros for a missing one."""
        present = self.present[rows]
        volumes = torch.zeros((*present.shape, *shape), dtype=self.dtype)
        numbers = torch.arange(self.present.numel()).view_as(self.present)[rows]
        for slot, number in zip(present.nonzero(), numbers[present].tolist(), strict=True):
            volumes[tuple(slot)] = torch.tensor(of_scan(number), dtype=self.dtype)
        return volumes


class Loader:
    """Batches of patients, in a new order every epoch or in their own.

    In a new order, patients of two views are taken as they are or mirrored with probability one
    half each, drawn anew every epoch; in their own order, as they are.

    Parameters
    ----------
    patients : Patients
        What to go through.
    batch_size : int
        Patients a batch; the last one may be smaller.
    seed : int or None
        None keeps the order. Otherwise order and views are a function of the seed and the epoch
        alone, and no global generator is drawn from.
    epoch : int
        Number of the first epoch.
    skipped : int
        Batches of the first epoch that are left out, since they were taken before.
    """

    def __init__(
        self,
        patients: Patients,
        batch_size: int,
        seed: int | None = None,
        epoch: int = 0,
        skipped: int = 0,
    ) -> None:
        self.patients = patients
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = epoch
        self.skipped = skipped

    def __len__(self) -> int:
        return -(-len(self.patients) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        n = len(self.patients)
        order, turned = torch.arange(n), None
        if self.seed is not None:
            rng = np.random.default_rng([self.seed, self.epoch])
            order = torch.as_tensor(rng.permutation(n))
            if self.patients.n_views == 2:
                turned = torch.as_tensor(rng.random(n) < 0.5)
            self.epoch += 1
        first, self.skipped = self.skipped, 0
        for start in range(first * self.batch_size, n, self.batch_size):
            rows = order[start : start + self.batch_size]
            yield self.patients.take(rows, None if turned is None else turned[rows])
