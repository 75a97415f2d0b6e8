"""Whether what a checkpoint holds is a place that a run can go on from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from skedema._pretraining.loop import Training
from skedema._states import is_like, is_state_of

_DTYPES = ("float32", "bfloat16")


def problem_of_state(training: Training, state: Mapping[str, Any]) -> str:
    """Say why a run cannot go on from a state.

    A file whose digest is right may still have been made by somebody else, or be of a training
    that had gone wrong. The text is empty where nothing is wrong; the run stays as it is.
    """
    own = training.state()
    if not isinstance(state, Mapping) or set(state) != set(own):
        return "it does not hold what a run consists of"
    weights = own["weights"]
    if not is_like(state["weights"], weights):
        return "its weights are not those of this network, or not finite"
    if state["best"] is not None and not is_like(state["best"], weights):
        return "its best weights are not those of this network, or not finite"
    if not _is_place(training, state):
        return "it is at a place where this run never is"
    if not _is_optimizer(training, state["optimizer"]):
        return "its optimizer is not that of this network"
    return ""


def _is_place(training: Training, state: Mapping[str, Any]) -> bool:
    seed, epoch, batch = (state[name] for name in ("seed", "epoch", "batch"))
    if not all(type(number) is int and number >= 0 for number in (seed, epoch, batch)):
        return False
    n_epochs = training.n_epochs
    within = epoch < n_epochs and batch < training.n_batches
    if not (within or (epoch == n_epochs and batch == 0)) or state["dtype"] not in _DTYPES:
        return False
    rows, names = state["history"], {*training.state()["sums"], "lr"}
    return (
        isinstance(rows, list)
        and len(rows) == epoch
        and all(_numbers(row, names) for row in rows)
        and _numbers(state["sums"], set(training.state()["sums"]))
        and type(state["lowest"]) is float
        and not math.isnan(state["lowest"])
        and (state["best"] is None) == math.isinf(state["lowest"])
    )


def _numbers(row: Any, names: set[str]) -> bool:
    return (
        isinstance(row, dict)
        and set(row) == names
        and all(type(value) in (int, float) and math.isfinite(value) for value in row.values())
    )


def _is_optimizer(training: Training, state: Any) -> bool:
    # Other versions of torch have other settings beside these.
    fixed = ("betas", "eps", "weight_decay")
    # Without a contrast no gradient reaches the predictor, and the optimizer knows nothing of it.
    contrast, predictor = training.params["contrast_weight"], training.module.predictor
    idle = [] if contrast else list(predictor.parameters())
    return is_state_of(training.optimizer, state, idle=idle, settings=fixed) and (
        bool(state["state"]) or training.n_steps_done == 0
    )
