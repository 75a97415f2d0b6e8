"""How long a network is trained, and how fast it learns: what "auto" stands for.

Of many patients an epoch is many steps, so that they are gone through less often; and a learning
rate that begins high and falls linearly gets as far in fewer steps (Li, Yumer and Ramanan,
"Budgeted training: rethinking deep neural network training under resource constraints", ICLR 2020).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from skorch.callbacks import LRScheduler

# One network without and with others beside it.
_LR, _LR_OF_MEMBERS = 1e-3, 3e-3
_EPOCHS, _EPOCHS_OF_MEMBERS = 50, 30
# From how many patients on they are many; the rate that falls; how many are seen in all, each once
# an epoch, and the fewest epochs.
_MANY, _FALLING_LR, _SEEN, _FEWEST_EPOCHS = 2_000, 6e-3, 150_000, 5


@dataclass(frozen=True)
class Schedule:
    """Epochs at most, the learning rate to begin with, and that of each epoch where it falls."""

    n_epochs: int
    lr: float
    rate: Callable[[int], float] | None = None


def are_many(n_patients: int) -> bool:
    return n_patients >= _MANY


def schedule(parameters: Any, n_members: int, n_patients: int) -> Schedule:
    """Decide on a training of so many patients, of whom none is read from a file in each epoch.

    A rate that is given stays as it is. "auto" leaves a falling rate to a scheduler among the
    callbacks, which would otherwise be overruled.
    """
    one, many = n_members == 1, are_many(n_patients)
    n_epochs = parameters.max_epochs
    if n_epochs == "auto":
        n_epochs = _EPOCHS if one else _EPOCHS_OF_MEMBERS
        if many:
            n_epochs = min(n_epochs, max(_FEWEST_EPOCHS, round(_SEEN / n_patients)))
    if parameters.lr != "auto":
        return Schedule(int(n_epochs), float(parameters.lr))
    if many and not _has_scheduler(parameters.callbacks):
        return Schedule(int(n_epochs), _FALLING_LR, partial(_falling, _FALLING_LR, int(n_epochs)))
    return Schedule(int(n_epochs), _LR if one else _LR_OF_MEMBERS)


def _falling(lr: float, n_epochs: int, epoch: int) -> float:
    return lr * (1 - epoch / n_epochs)


def _has_scheduler(callbacks: Any) -> bool:
    found = [each[1] if isinstance(each, tuple) else each for each in callbacks or ()]
    return any(isinstance(each, LRScheduler) for each in found)
