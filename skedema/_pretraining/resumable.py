"""Whether what a checkpoint holds is a place that a run can go on from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from skedema._pretraining.loop import Training

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
    if not _like(state["weights"], weights):
        return "its weights are not those of this network, or not finite"
    if state["best"] is not None and not _like(state["best"], weights):
        return "its best weights are not those of this network, or not finite"
    if not _is_place(training, state):
        return "it is at a place where this run never is"
    if not _is_optimizer(training, state["optimizer"]):
        return "its optimizer is not that of this network"
    return ""


def _like(found: Any, expected: Mapping[str, Tensor]) -> bool:
    return (
        isinstance(found, Mapping)
        and set(found) == set(expected)
        and all(_tensor(found[name], value) for name, value in expected.items())
    )


def _tensor(found: Any, expected: Tensor) -> bool:
    return (
        isinstance(found, Tensor)
        and found.shape == expected.shape
        and found.dtype == expected.dtype
        and bool(torch.isfinite(found).all())
    )


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


def _is_group(found: Any, expected: Mapping[str, Any]) -> bool:
    # Other versions of torch have other settings beside these.
    fixed = ("params", "betas", "eps", "weight_decay")
    return (
        isinstance(found, dict)
        and all(found.get(name) == expected[name] for name in fixed)
        and type(found.get("lr")) in (int, float)
        and math.isfinite(found["lr"])
    )


def _is_optimizer(training: Training, state: Any) -> bool:
    own = training.optimizer.state_dict()
    if not isinstance(state, dict) or set(state) != set(own):
        return False
    groups, moments = state["param_groups"], state["state"]
    if not isinstance(groups, list) or not isinstance(moments, dict):
        return False
    if len(groups) != len(own["param_groups"]) or not all(
        _is_group(found, expected)
        for found, expected in zip(groups, own["param_groups"], strict=True)
    ):
        return False
    parameters = [p for group in training.optimizer.param_groups for p in group["params"]]
    if not moments:
        return training.n_steps_done == 0
    # Without a contrast no gradient reaches the predictor, and the optimizer knows nothing of it.
    contrast, predictor = training.params["contrast_weight"], training.module.predictor
    idle = set() if contrast else {id(parameter) for parameter in predictor.parameters()}
    learned = {k for k, parameter in enumerate(parameters) if id(parameter) not in idle}
    return learned <= set(moments) <= set(range(len(parameters))) and all(
        isinstance(moments[k], dict)
        and set(moments[k]) == {"step", "exp_avg", "exp_avg_sq"}
        and _tensor(moments[k]["exp_avg"], parameters[k])
        and _tensor(moments[k]["exp_avg_sq"], parameters[k])
        and _tensor(moments[k]["step"], torch.tensor(0.0))
        for k in moments
    )
