"""Numbers: a continuous target read, checked, scaled, and as the network learns it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import huber_loss

from skedema._strata import strata_of
from skedema._training.target import (
    Target,
    TargetKind,
    WeightedLoss,
    read_column,
    refuse_y_in_table,
)
from skedema.frames import Table, listed

LOSSES = ("squared_error", "absolute_error", "huber", "quantile")
# The standard deviation of a normal variable over its median absolute deviation.
_NORMAL = 1.4826


class LossOfNumbers(WeightedLoss):
    """One of `LOSSES`; of quantiles the mean of their pinball losses.

    A quantile's is that of Koenker and Bassett, "Regression quantiles" (Econometrica 46, 1978).
    """

    def __init__(self, kind: Numbers) -> None:
        super().__init__()
        self.kind = kind

    def of_each(self, outputs: Tensor, target: Tensor) -> Tensor:
        kind, distance = self.kind, target.unsqueeze(1) - outputs
        if kind.name == "quantile":
            quantiles = outputs.new_tensor(kind.quantiles)
            distance = torch.maximum(quantiles * distance, (quantiles - 1) * distance)
        elif kind.name == "huber":
            zero = torch.zeros_like(distance)
            distance = huber_loss(distance, zero, reduction="none", delta=kind.huber_delta)
        else:
            distance = distance.square() if kind.name == "squared_error" else distance.abs()
        return distance.mean(dim=1)


@dataclass(frozen=True)
class Numbers(TargetKind):
    """A number of each patient, scaled; of quantiles an output each."""

    name: str
    huber_delta: float = 0.0  # of Huber's
    quantiles: tuple[float, ...] = ()
    group: ClassVar[tuple[str, str]] = ("number", "numbers")

    @property
    def n_outputs(self) -> int:  # type: ignore[override]
        return len(self.quantiles) or 1

    def loss(self) -> LossOfNumbers:
        return LossOfNumbers(self)

    def said_by(self, outputs: Tensor) -> Tensor:
        """Sort quantiles, so that none crosses another; a mean of sorted ones is sorted."""
        return outputs.sort(dim=-1).values if self.quantiles else outputs

    def answer(self, predicted: np.ndarray) -> np.ndarray:
        return np.asarray(predicted[:, self.quantiles.index(0.5) if self.quantiles else 0])

    def sizes(self, values: np.ndarray) -> np.ndarray:
        return np.array([len(values)])


def numbers_of(loss: str, huber_delta: float, quantiles: Any) -> Numbers:
    """Make the kind that parameters ask for; what the loss does not need is not looked at."""
    if loss == "quantile":
        return Numbers(loss, quantiles=_read_quantiles(quantiles))
    return Numbers(loss, huber_delta=float(huber_delta) if loss == "huber" else 0.0)


def number_target(kind: Numbers, numbers: np.ndarray, weight: np.ndarray) -> Target:
    """Make the target of numbers, not scaled as yet."""
    return Target(kind, numbers, weight, strata_of(numbers))


def center_and_scale(
    numbers: np.ndarray, weight: np.ndarray, *, robust: bool
) -> tuple[float, float]:
    """Tell where numbers lie and how far apart, each counted with its weight.

    Mean and standard deviation; or, `robust`, the median and 1.4826 times the median absolute
    deviation, which is the standard deviation of a normal variable. Where more than half of the
    numbers are equal, it is the mean absolute deviation.
    """
    if not robust:
        center = np.average(numbers, weights=weight)
        scale = np.sqrt(np.average((numbers - center) ** 2, weights=weight))
    else:
        center = _median(numbers, weight)
        distance = np.abs(numbers - center)
        scale = _NORMAL * _median(distance, weight) or np.average(distance, weights=weight)
    return float(center), float(scale) or 1.0


def read_numbers(y: Any, table: Table) -> np.ndarray:
    """Read the numbers that belong to a table: all are finite."""
    columns = getattr(y, "shape", ())[1:]
    if columns and columns[0] > 1:
        raise ValueError(
            f"y should be a 1d array of one number a patient, got an array of shape {y.shape}. For "
            "several numbers fit a model each: sklearn.multioutput.MultiOutputRegressor("
            "AttentionMixerRegressor(...))."
        )
    cells = read_column(y, table, "AttentionMixerRegressor")
    if cells.dtype.kind not in "iuf":
        _refuse(cells, table)
    numbers = cells.astype(np.float64)
    if np.isinf(numbers).any():
        raise ValueError(f"y contains inf in {table.rows(np.isinf(numbers))}.")
    refuse_y_in_table(y, numbers, table)
    return numbers


def refuse_constant(numbers: np.ndarray) -> None:
    """Refuse numbers to begin with that are all the same."""
    if (numbers == numbers[0]).all():
        raise ValueError(
            f"y is {numbers[0]:g} in all patients that have a weight (n_samples = {len(numbers)}), "
            "so that there is nothing to learn."
        )


def _refuse(cells: np.ndarray, table: Table) -> None:
    """Say what to do about targets that are no numbers."""
    if cells.dtype.kind == "b":
        raise ValueError(
            "y is boolean: these are classes, for an AttentionMixerClassifier. If 0 and 1 are "
            "meant as numbers: y.astype(float)."
        )
    if cells.dtype.kind == "c":
        raise ValueError("Complex data not supported: y holds complex numbers.")
    if cells.dtype.kind in "mM":
        raise ValueError(
            f"y holds {'times' if cells.dtype.kind == 'M' else 'durations'}, and a number is "
            "needed, such as hours: y / pd.Timedelta(hours=1)."
        )
    as_numbers = pd.to_numeric(pd.Series(cells, dtype=object), errors="coerce").to_numpy()
    bad = np.asarray(pd.isna(as_numbers))
    if not bad.any():
        raise ValueError("y holds numbers as text: pd.to_numeric(y).")
    raise ValueError(
        f"y holds no number in {table.rows(bad)}: {listed(_distinct(cells[bad]))}. Leave these "
        "patients out: keep = pd.to_numeric(y, errors='coerce').notna(); X, y = X[keep], "
        "pd.to_numeric(y[keep]). If y is classes, give it to an AttentionMixerClassifier."
    )


def _distinct(cells: np.ndarray) -> list[Any]:
    return list(dict.fromkeys(cells.tolist()))


def _read_quantiles(quantiles: Any) -> tuple[float, ...]:
    given = quantiles if isinstance(quantiles, Sequence | np.ndarray) else [quantiles]
    try:
        found = tuple(float(q) for q in given)
    except (TypeError, ValueError):
        found = ()
    if not found or list(found) != sorted(set(found)) or not 0 < found[0] <= found[-1] < 1:
        raise ValueError(
            f"quantiles={quantiles!r}: give different numbers between 0 and 1 in ascending order, "
            "such as (0.05, 0.5, 0.95)."
        )
    if 0.5 not in found:
        raise ValueError(
            f"quantiles={quantiles!r} must hold 0.5, the median, which is what predict gives."
        )
    return found


def _median(numbers: np.ndarray, weight: np.ndarray) -> float:
    """Give the least number up to which half of the weight lies."""
    order = np.argsort(numbers, kind="stable")
    below = np.cumsum(weight[order])
    # A weight of 2 is two patients, whichever way sums are rounded.
    return float(numbers[order][np.searchsorted(below, below[-1] * (0.5 - 1e-12))])
