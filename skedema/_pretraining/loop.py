"""The pre-training loop: a run is a function of its parameters, its scans and its first weights."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from skedema._checkpoints import Checkpoints
from skedema._device import find_device, precision
from skedema._each import bar
from skedema._pace import Pace
from skedema._pretraining.precision import training_dtype
from skedema._pretraining.ranks import Ranks
from skedema._pretraining.scale import even_scale, voxel_scale
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


class Stage(NamedTuple):
    """How far a pre-training has come: a run begins at one stage and ends at the next.

    Parameters
    ----------
    module : MaskedAutoencoder
        The network, which a run trains in place.
    reader : VolumeReader
        How the volumes were made that it was made for.
    seed : int
        With the number of an epoch it decides the order, with that of a batch masks and views: a
        run that goes on needs the state of no generator.
    history : list of dict
        What each epoch so far was like.
    optimizer : dict or None
        The optimizer's moments, on the CPU, if they are to be taken over.
    is_new : bool
        Whether nothing is in the weights yet.
    """

    module: MaskedAutoencoder
    reader: VolumeReader
    seed: int
    history: list[dict[str, float]]
    optimizer: dict[str, Any] | None = None
    is_new: bool = False


class Training:
    """A run and where it is.

    Parameters
    ----------
    params : mapping of str to object
        Those of the estimator.
    start : Stage
        What the run begins with.
    source : Source
        The scans.
    n_epochs : int or None
        Epochs of the run; with 0 no scan is read. None: one, and others follow, so that learning
        rate and edge weight stay as they are.

    Raises
    ------
    ValueError
        When the reference's losses are asked of a decoder that the reference has not.

    Attributes
    ----------
    ranks : Ranks
        The processes that take part, each with its part of every batch.
    history : list of dict
        What each finished epoch of this run was like.
    best : dict of str to Tensor or None
        The weights after the finished epoch with the lowest reconstruction loss: the one part of
        the total whose weight is the same in every epoch.
    """

    def __init__(
        self, params: Mapping[str, Any], start: Stage, source: Source, n_epochs: int | None
    ) -> None:
        if params["reference_compat"] and start.module.decoder != "self":
            raise ValueError(
                "reference_compat=True needs decoder='self': the reference has no other."
            )
        self.params, self.start, self.source = params, start, source
        self.ranks = Ranks.here()
        self.device = self.ranks.device(find_device(params["device"]))
        self.dtype = training_dtype(params["dtype"], self.device)
        self.augmentation = _augmentation(params["augment"])
        self.seed = start.seed
        self.endless = n_epochs is None
        self.n_epochs: int = 1 if n_epochs is None else n_epochs
        self.batch_size: int = min(params["batch_size"], len(source))
        self.n_batches: int = -(-len(source) // self.batch_size)
        self.module = start.module.to(self.device).train()
        self.optimizer = _optimizer(self.module, params, self.device)
        if start.optimizer is not None:  # its moments, not its rates; a copy, for steps change them
            moments = copy.deepcopy(start.optimizer["state"])
            groups = self.optimizer.state_dict()["param_groups"]
            self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self.epoch = self.batch = 0
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Tensor] | None = None
        self._lowest = math.inf
        self._sums = dict.fromkeys((*_PARTS, "seconds"), 0.0)
        self._rate = params["lr"]

    @property
    def n_steps(self) -> int:
        """Number of steps of the run."""
        return self.n_epochs * self.n_batches

    @property
    def n_steps_done(self) -> int:
        """Number of steps behind."""
        return self.epoch * self.n_batches + self.batch

    def run(self, checkpoints: Checkpoints | None = None) -> None:
        """Train to the end.

        Raises
        ------
        FloatingPointError
            When a loss or its gradient is not finite; the message names the batch's scans.
        ScanError
            When a scan cannot be read.
        """
        done = self.n_steps_done
        shown = self.params["verbose"] if self.ranks.is_first else 0
        pace = Pace("pre-training", self.n_steps - done, self._remedies)
        with bar("pre-training", "step", self.n_steps, done=done, shown=shown) as progress:
            while self.epoch < self.n_epochs:
                batches = self.batches()[self.batch :]
                own = self.source.batches([rows[self.ranks.part(len(rows))] for rows in batches])
                for rows, _ in zip(batches, own, strict=True):
                    loss = self.step(rows)
                    if self.batch == self.n_batches:
                        self._finish_epoch()
                    if checkpoints is not None:
                        checkpoints.save_if_due(self.state, last=self.epoch == self.n_epochs)
                    progress.set_postfix(loss=f"{loss:.4g}", refresh=False)
                    progress.update()
                    if self.ranks.is_first:
                        pace.step()

    def _remedies(self) -> list[str]:
        """Say how a pre-training takes less time."""
        found = [f"Fewer max_epochs than {self.n_epochs} are in proportion."]
        if self.params["size"] != "tiny":
            found.append('size="tiny" is a smaller network.')
        if self.params["memory"] is None and self.params["checkpoint_dir"] is None:
            found.append('checkpoint_dir="a folder" lets a fit that is interrupted go on.')
        return found

    def set_scale(self) -> None:
        """Let a new network standardise by the scans at hand, if these are read."""
        if self.start.is_new and not self.n_steps_done and not self.params["reference_compat"]:
            reader = self.start.reader
            scale = voxel_scale(self.source) if self.n_epochs else even_scale(reader)
            self.module.standardize.set(*scale)

    def end(self, *, keep_optimizer: bool) -> Stage:
        """Give the stage that was reached."""
        optimizer = None
        if keep_optimizer:
            optimizer = self.optimizer.state_dict()
            optimizer["state"] = {
                number: {name: value.cpu() for name, value in moments.items()}
                for number, moments in optimizer["state"].items()
            }
        history = [*self.start.history, *self.history]
        return Stage(self.module.eval().cpu(), self.start.reader, self.seed, history, optimizer)

    def state(self) -> dict[str, Any]:
        """Give all that a run needs to go on from here, as a checkpoint holds it."""
        return {
            "seed": self.seed,
            "dtype": str(self.dtype).removeprefix("torch."),
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
        """Go to where a run was when it gave its `state`."""
        self.seed, self.dtype = state["seed"], getattr(torch, state["dtype"])
        self.module.load_state_dict(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.batch = state["epoch"], state["batch"]
        self.history, self._sums = state["history"], state["sums"]
        self.best, self._lowest = state["best"], state["lowest"]

    def batches(self) -> list[Rows]:
        """Give the batches of the epoch that is due: a function of the seed and its number."""
        order = np.random.default_rng([self.seed, self._n_epochs_done]).permutation(
            len(self.source)
        )
        size = self.batch_size
        return [order[start : start + size] for start in range(0, len(order), size)]

    def step(self, rows: Rows) -> float:
        """Take one step, and give its loss.

        Raises
        ------
        FloatingPointError
            When the loss or its gradient is not finite; the weights are as they were.
        """
        begin = time.perf_counter()
        n_steps = None if self.endless else self.n_steps
        self._rate = learning_rate(
            self.n_steps_done, n_steps, self.params["lr"], self.params["warmup_fraction"]
        )
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate
        self.optimizer.zero_grad(set_to_none=True)
        shares = self._backward(rows)
        parts = self.ranks.add_gradients(self.module, shares).tolist()
        norm = nn.utils.clip_grad_norm_(self.module.parameters(), MAX_NORM)
        parts.append(float(norm))
        if not all(map(math.isfinite, parts)):
            raise FloatingPointError(self._not_finite(rows, dict(zip(_PARTS, parts, strict=False))))
        self.optimizer.step()
        for name, value in zip(_PARTS, parts, strict=False):
            self._sums[name] += value * len(rows)
        self._sums["seconds"] += time.perf_counter() - begin
        self.batch += 1
        return float(parts[0])

    def _backward(self, rows: Rows) -> Tensor:
        """Compute the gradient of the batch that is due; gives its losses.

        Of several processes each adds what its own scans make of both.
        """
        part = self.ranks.part(len(rows))
        own = rows[part].tolist()
        if not own:  # the last batch has fewer scans than there are processes
            return torch.zeros(len(_PARTS), device=self.device)
        stack = np.stack([self.source[row] for row in own])
        losses = self.losses(torch.from_numpy(stack).to(self.device), (len(rows), part))
        if self.ranks.size > 1:
            losses = self._share_of(losses, len(rows), part)
        torch.autograd.backward(losses.total)
        return torch.stack([each.detach().float() for each in losses])

    def _share_of(self, losses: PretrainingLosses, n_scans: int, part: slice) -> PretrainingLosses:
        """Weight the losses of a part of a batch so that those of all parts add up to its own."""
        share = (part.stop - part.start) / n_scans
        hidden = self._hidden_voxels(n_scans)
        of_hidden = hidden[part].sum() / hidden.sum()
        total = share * losses.total + (of_hidden - share) * losses.reconstruction
        return PretrainingLosses(
            total, of_hidden * losses.reconstruction, share * losses.edge, share * losses.contrast
        )

    def _hidden_voxels(self, n_scans: int) -> Tensor:
        """Count the voxels of each scan of the batch that the reconstruction is measured on."""
        inside = self.module.patches.inside
        if inside is None:
            return torch.ones(n_scans, device=self.device)  # all alike
        masks, _ = self._masks(n_scans)
        voxels = inside.sum(dim=-1).expand(n_scans, -1)
        return voxels.gather(1, self.module.asked(masks[0])).sum(dim=1)

    def _masks(self, n_scans: int) -> tuple[Tensor, torch.Generator]:
        """Draw what hides patches in the batch that is due: (2, B, L); and what draws the views."""
        generator = torch.Generator(self.device).manual_seed(self._key())
        shape = (2, n_scans, self.module.n_patches)
        return torch.rand(shape, generator=generator, device=self.device), generator

    def losses(self, volumes: Tensor, part: tuple[int, slice] | None = None) -> PretrainingLosses:
        """Compute the losses, with a gradient, of the batch that is due: (B, C, X, Y, Z).

        Of a `part` of it where the number of its scans is given, and the places of these.
        """
        n_scans, own = part or (len(volumes), slice(None))
        masks, generator = self._masks(n_scans)
        views = (volumes, volumes)
        if self.augmentation is not None:
            ranges = self.start.reader.settings().ranges
            views = self.augmentation.pair(volumes, ranges, generator, part=part)
        n_epochs = None if self.endless else self.n_epochs
        with precision(self.dtype, self.device):
            return pretraining_losses(
                self.module,
                *views,
                *masks[:, own],
                edge_weight=edge_weight(self.epoch, n_epochs, self.params["edge_weight"]),
                contrast_weight=self.params["contrast_weight"],
                reference_compat=self.params["reference_compat"],
            )

    @property
    def _n_epochs_done(self) -> int:
        """Number of epochs behind, those of earlier runs included."""
        return len(self.start.history) + self.epoch

    def _key(self) -> int:
        place = [self.seed, self._n_epochs_done, self.batch]
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
            f"Not finite in epoch {self._n_epochs_done}: {what}. The batch held "
            f"{self.source.names(rows)}. Look at these scans for extreme values, or lower lr."
        )


def _augmentation(augment: ViewAugmentation | bool) -> ViewAugmentation | None:
    if not isinstance(augment, ViewAugmentation):
        return ViewAugmentation() if augment else None
    augment._validate_params()
    return augment


def _optimizer(
    module: nn.Module, params: Mapping[str, Any], device: torch.device
) -> torch.optim.AdamW:
    # Biases, norms and the learned tokens are not shrunk (as He et al.).
    matrices = [p for p in module.parameters() if p.ndim == 2]
    others = [p for p in module.parameters() if p.ndim != 2]
    groups: list[dict[str, Any]] = [
        {"params": matrices},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        groups,
        lr=params["lr"],
        betas=_BETAS,
        weight_decay=params["weight_decay"],
        fused=device.type in ("cpu", "cuda"),
    )
