"""The course of a training in checkpoints, so that one that was killed goes on to the same bits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EpochTimer
from torch import Tensor

from skedema._checkpoints import Checkpoints
from skedema._rng import generators, set_generators
from skedema._states import is_like, is_state_of
from skedema._told import tell


class Course:
    """How far a training has come, written down and taken up again.

    A place is after the beginning of an epoch or after a step of it: weights, the optimizer's
    moments, the history, the state of generators and of callbacks. Order and views of patients are
    a function of seed and epoch. To go on, skorch begins the epoch as if it were the first, and
    then all is put as it was.

    Parameters
    ----------
    net : NeuralNet
        What is trained, initialised.
    checkpoints : Checkpoints
        Where places are kept.
    n_epochs : int
        Epochs of this training, at most.
    """

    def __init__(self, net: NeuralNet, checkpoints: Checkpoints, n_epochs: int) -> None:
        self._net, self._checkpoints = net, checkpoints
        self._n_before, self._n_epochs = len(net.history), n_epochs
        self._place = checkpoints.load(self._problem_of)
        self._may_be_kept = True
        # What callbacks of others gather of patients within an epoch is theirs, and not to be kept.
        self._within_epochs = len(net.callbacks) == 1

    @property
    def is_over(self) -> bool:
        """Whether the training had come to its end."""
        return self._place is not None and self._place["over"]

    @property
    def n_epochs_done(self) -> int:
        """Epochs of this training that are behind."""
        return len(self._rows) - self._n_before if self._place is not None else 0

    @property
    def n_steps_done(self) -> int:
        """Steps behind of the epoch that is under way."""
        if self._place is None or self.is_over:
            return 0
        return len(self._place["history"][-1]["batches"])

    def take_up(self) -> None:
        """Put the epochs that are behind into the history; after the last, put back everything."""
        if self._place is not None:
            self._net.history[:] = self._rows
        if self.is_over:
            self._put_back()

    def heard(self, event: str, training: bool) -> None:
        """Follow what skorch tells of the training."""
        if event == "on_epoch_begin":
            if self._place is not None:
                self._put_back()
            else:
                self._keep()
        elif event == "on_batch_end" and training and self._within_epochs:
            self._keep()

    def ends(self) -> None:
        """Keep the end, from which the same fit is taken as it is."""
        if not self.is_over:
            self._keep(over=True)
        self._checkpoints.forget_previous()

    @property
    def _rows(self) -> list[dict[str, Any]]:
        place: Any = self._place
        rows: list[dict[str, Any]] = place["history"]
        return rows if place["over"] else rows[:-1]

    def _keep(self, *, over: bool = False) -> None:
        if not self._may_be_kept:
            return
        try:
            self._checkpoints.save_if_due(lambda: self._state(over), last=over)
        except _CannotBeKept as error:
            self._may_be_kept = False
            tell(
                f"checkpoint_dir: no checkpoint is written, since {error} cannot be kept in one. "
                "Training goes on, but if it is stopped, it has to begin again."
            )

    def _state(self, over: bool) -> dict[str, Any]:
        net = self._net
        return {
            "over": over,
            "weights": net.module_.state_dict(),
            "optimizer": net.optimizer_.state_dict(),
            "history": _plain(list(net.history), "the history"),
            "callbacks": [_of_callback(callback) for _, callback in net.callbacks_],
            "generators": generators(torch.device(net.device)),
        }

    def _put_back(self) -> None:
        place: Any = self._place
        net, self._place = self._net, None if not place["over"] else place
        net.module_.load_state_dict(place["weights"])
        net.optimizer_.load_state_dict(place["optimizer"])
        net.history[:] = place["history"]
        for (_, callback), state in zip(net.callbacks_, place["callbacks"], strict=True):
            _put_back_callback(callback, state)
        set_generators(place["generators"], torch.device(net.device))

    def _problem_of(self, place: Any) -> str:
        """Say why a training cannot go on from a place; empty where it can."""
        net = self._net
        if not isinstance(place, Mapping) or set(place) != _PARTS:
            return "it does not hold what a training consists of"
        if not is_like(place["weights"], net.module_.state_dict()):
            return "its weights are not those of this network, or not finite"
        # Some parameters may be reached by no gradient, such as that of a category nobody has.
        idle = net.module_.parameters()
        if not is_state_of(net.optimizer_, place["optimizer"], idle=idle):
            return "its optimizer is not that of this network"
        history, callbacks = place["history"], place["callbacks"]
        if (
            not (isinstance(history, list) and isinstance(callbacks, list))
            or not 1 <= len(history) - self._n_before <= self._n_epochs
            or len(callbacks) != len(net.callbacks_)
        ):
            return "it is at a place where this training never is"
        return ""


_PARTS = {"over", "weights", "optimizer", "history", "callbacks", "generators"}


class _CannotBeKept(Exception):
    """What holds something that is no number, text or tensor."""


def _of_callback(callback: Callback) -> dict[str, Any]:
    """Give what a callback has found out so far: attributes that are no parameters."""
    if isinstance(callback, EpochTimer):  # time that nobody spent does not count
        return {}
    given = callback.get_params(deep=False)
    what = type(callback).__name__
    return {
        name: _plain(value, f"{name} of the callback {what}")
        for name, value in vars(callback).items()
        if name not in given and not callable(value)
    }


def _put_back_callback(callback: Callback, state: Mapping[str, Any]) -> None:
    for name, value in state.items():
        held: Any = getattr(callback, name, None)
        if hasattr(held, "load_state_dict"):
            held.load_state_dict(value)
        else:
            setattr(callback, name, value)


def _plain(value: Any, what: str) -> Any:
    """Turn a value into what can be loaded without running code."""
    if isinstance(value, np.generic):  # some of which are numbers of Python's as well
        return value.item()
    if value is None or isinstance(value, bool | int | float | str | Tensor):
        return value
    if isinstance(value, Mapping):
        return {_plain(key, what): _plain(each, what) for key, each in value.items()}
    if isinstance(value, list | tuple | set):
        return type(value)(_plain(each, what) for each in value)
    if hasattr(value, "state_dict") and hasattr(value, "load_state_dict"):
        return _plain(value.state_dict(), what)
    raise _CannotBeKept(what)
