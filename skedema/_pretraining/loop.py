"""The pre-training loop: a run is a function of its settings, its scans and its first weights."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skedema._pretraining.checkpoints import Checkpoints
from skedema._pretraining.precision import precision
from skedema._pretraining.schedules import edge_weight, learning_rate
from skedema._pretraining.source import Rows, Source
from skedema._pretraining.views import ViewAugmentation
from skedema.modules.autoencoder_objective import PretrainingLosses, pretraining_losses
from skedema.modules.masked_autoencoder import MaskedAutoencoder
from skedema.scans import VolumeReader

#: Largest norm of a step's gradient (as in SimMIM, Xie et al., CVPR 2022); also tells a bad one.
MAX_NORM = 5.0
_BETAS = (0.9, 0.95)  # of AdamW, as He et al., CVPR 2022, table 8
_PARTS = PretrainingLosses._fields


@dataclass(frozen=True)
class Settings:
    """What decides a run, next to its scans and first weights.

    Parameters
    ----------
    seed : int
        With the number of an epoch it decides the order, with that of a batch masks and views: a
        run that goes on needs the state of no generator.
    n_epochs : int
        Epochs of this run.
    first_epoch : int
        How many epochs there were before it.
    endless : bool
        Whether other runs follow: learning rate and edge weight stay as they are.
    batch_size, lr, weight_decay, warmup_fraction, edge_weight, contrast_weight, reference_compat
        The estimator's parameters.
    augmentation : ViewAugmentation or None
        How views come about; None for two times the scan itself.
    dtype : torch.dtype
        float32 or bfloat16.
    device : torch.device
        Where.
    """

    seed: int
    n_epochs: int
    first_epoch: int
    endless: bool
    batch_size: int
    lr: float
    weight_decay: float
    warmup_fraction: float
    edge_weight: float
    contrast_weight: float
    reference_compat: bool
    augmentation: ViewAugmentation | None
    dtype: torch.dtype
    device: torch.device


class Training:
    """A run and where it is.

    Parameters
    ----------
    module : MaskedAutoencoder
        Trained in place; moved to the device.
    settings : Settings
        What decides the run.
    source : Source
        The scans.
    reader : VolumeReader
        How their volumes were made.

    Attributes
    ----------
    history : list of dict
        What each finished epoch was like.
    best : dict of str to Tensor or None
        The weights after the finished epoch with the lowest reconstruction loss: the one part of
        the total whose weight is the same in every epoch.
    """

    def __init__(
        self,
        module: MaskedAutoencoder,
        settings: Settings,
        source: Source,
        reader: VolumeReader,
    ) -> None:
        self.module = module.to(settings.device).train()
        self.settings = settings
        self.source = source
        self.reader = reader
        self.optimizer = _optimizer(module, settings)
        self.n_batches = -(-len(source) // settings.batch_size)
        self.epoch = self.batch = 0
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Tensor] | None = None
        self._lowest = math.inf
        self._sums = dict.fromkeys((*_PARTS, "seconds"), 0.0)
        self._rate = settings.lr

    @property
    def n_steps(self) -> int:
        """Number of steps of the run."""
        return self.settings.n_epochs * self.n_batches

    @property
    def n_steps_done(self) -> int:
        """Number of steps behind."""
        return self.epoch * self.n_batches + self.batch

    def run(
        self,
        checkpoints: Checkpoints | None = None,
        after_step: Callable[[float], None] = lambda loss: None,
    ) -> None:
        """Train to the end.

        Parameters
        ----------
        checkpoints : Checkpoints or None
            Where to write checkpoints.
        after_step : callable
            Called with the loss after each step.

        Raises
        ------
        FloatingPointError
            When a loss or its gradient is not finite; the message names the batch's scans.
        ScanError
            When a scan cannot be read.
        """
        while self.epoch < self.settings.n_epochs:
            for rows in self.source.batches(self.batches()[self.batch :]):
                loss = self.step(rows)
                if self.batch == self.n_batches:
                    self._finish_epoch()
                if checkpoints is not None:
                    last = self.epoch == self.settings.n_epochs
                    checkpoints.save_if_due(self.state, last=last)
                after_step(loss)

    def state(self) -> dict[str, Any]:
        """Give all that a run needs to go on from here.

        Returns
        -------
        dict
            Weights, optimizer, place and history.
        """
        return {
            "seed": self.settings.seed,
            "dtype": str(self.settings.dtype).removeprefix("torch."),
            "weights": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "epoch": self.epoch,
            "batch": self.batch,
            "history": self.history,
            "sums": self._sums,
            "best": self.best,
            "lowest": self._lowest,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to where a run was.

        Parameters
        ----------
        state : dict
            As `state` gave it.
        """
        self.settings = replace(
            self.settings, seed=state["seed"], dtype=getattr(torch, state["dtype"])
        )
        self.module.load_state_dict(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.batch = state["epoch"], state["batch"]
        self.history, self._sums = state["history"], state["sums"]
        self.best, self._lowest = state["best"], state["lowest"]

    def optimizer_state(self) -> dict[str, Any]:
        """Give the optimizer's moments, on the CPU.

        Returns
        -------
        dict
            For `restore_optimizer` of a later run.
        """
        state: dict[str, Any] = self.optimizer.state_dict()
        state["state"] = {
            number: {name: value.cpu() for name, value in moments.items()}
            for number, moments in state["state"].items()
        }
        return state

    def restore_optimizer(self, state: dict[str, Any]) -> None:
        """Take over the moments of an earlier run, but not its rates.

        Parameters
        ----------
        state : dict
            As `optimizer_state` gave it.
        """
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state["state"], "param_groups": groups})

    def batches(self) -> list[Rows]:
        """Give the batches of the epoch that is due: a function of the seed and its number.

        Returns
        -------
        list of ndarray of int
            Rows of each.
        """
        epoch = self.settings.first_epoch + self.epoch
        order = np.random.default_rng([self.settings.seed, epoch]).permutation(len(self.source))
        size = self.settings.batch_size
        return [order[start : start + size] for start in range(0, len(order), size)]

    def step(self, rows: Rows) -> float:
        """Take one step.

        Parameters
        ----------
        rows : ndarray of int
            The batch.

        Returns
        -------
        float
            Its loss.

        Raises
        ------
        FloatingPointError
            When the loss or its gradient is not finite; the weights are as they were.
        """
        begin = time.perf_counter()
        settings = self.settings
        n_steps = None if settings.endless else self.n_steps
        self._rate = learning_rate(
            self.n_steps_done, n_steps, settings.lr, settings.warmup_fraction
        )
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate
        stack = np.stack([self.source.volume(row) for row in rows.tolist()])
        losses = self.losses(torch.from_numpy(stack).to(settings.device))
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(losses.total)
        norm = nn.utils.clip_grad_norm_(self.module.parameters(), MAX_NORM)
        parts = torch.stack([*(part.detach().float() for part in losses), norm]).tolist()
        if not all(map(math.isfinite, parts)):
            raise FloatingPointError(self._not_finite(rows, dict(zip(_PARTS, parts, strict=False))))
        self.optimizer.step()
        for name, value in zip(_PARTS, parts, strict=False):
            self._sums[name] += value * len(rows)
        self._sums["seconds"] += time.perf_counter() - begin
        self.batch += 1
        return float(parts[0])

    def losses(self, volumes: Tensor) -> PretrainingLosses:
        """Compute the losses of the batch that is due.

        Parameters
        ----------
        volumes : Tensor of shape (B, C, X, Y, Z)
            The batch, on the device.

        Returns
        -------
        PretrainingLosses
            With a gradient.
        """
        settings = self.settings
        generator = torch.Generator(settings.device).manual_seed(self._key())
        masks = torch.rand(
            (2, len(volumes), self.module.n_patches), generator=generator, device=settings.device
        )
        views = (volumes, volumes)
        if settings.augmentation is not None:
            ranges = self.reader.settings().ranges
            views = settings.augmentation.pair(volumes, ranges, generator)
        n_epochs = None if settings.endless else settings.n_epochs
        with precision(settings.dtype, settings.device):
            return pretraining_losses(
                self.module,
                *views,
                *masks,
                edge_weight=edge_weight(self.epoch, n_epochs, settings.edge_weight),
                contrast_weight=settings.contrast_weight,
                reference_compat=settings.reference_compat,
            )

    def _key(self) -> int:
        place = [self.settings.seed, self.settings.first_epoch + self.epoch, self.batch]
        return int(np.random.SeedSequence(place).generate_state(1, np.uint64)[0] >> np.uint64(1))

    def _finish_epoch(self) -> None:
        n_scans = len(self.source)
        row = {name: self._sums[name] / n_scans for name in _PARTS}
        row |= {"lr": self._rate, "seconds": self._sums["seconds"]}
        if row["reconstruction"] < self._lowest:
            self.best = {k: v.detach().clone() for k, v in self.module.state_dict().items()}
            self._lowest = row["reconstruction"]
        self.history.append(row)
        self._sums = dict.fromkeys(self._sums, 0.0)
        self.epoch, self.batch = self.epoch + 1, 0

    def _not_finite(self, rows: Rows, parts: dict[str, float]) -> str:
        bad = [f"{name} {value}" for name, value in parts.items() if not math.isfinite(value)]
        what = ", ".join(bad) if bad else "the gradient of a finite loss"
        return (
            f"Not finite in epoch {self.settings.first_epoch + self.epoch}: {what}. The batch held "
            f"{self.source.names(rows)}. Look at these scans for extreme values, or lower lr."
        )


def _optimizer(module: nn.Module, settings: Settings) -> torch.optim.AdamW:
    # Biases, norms and the learned tokens are not shrunk (as He et al.).
    matrices = [p for p in module.parameters() if p.ndim == 2]
    others = [p for p in module.parameters() if p.ndim != 2]
    groups: list[dict[str, Any]] = [
        {"params": matrices},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        groups,
        lr=settings.lr,
        betas=_BETAS,
        weight_decay=settings.weight_decay,
        fused=settings.device.type in ("cpu", "cuda"),
    )
