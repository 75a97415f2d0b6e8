"""What a network learns of patients, and what its outputs say, whatever kind of target it is.

`classes` is such a kind. Networks, splits, members, checkpoints and predictions know of no other
thing about a target than what is here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from sklearn.utils.validation import column_or_1d
from torch import Tensor

from skedema.frames import Column, Table, check_same_rows
from skedema.frames.table import unmasked


class WeightedLoss(torch.nn.Module, ABC):
    """The loss of each patient times its weight, averaged over the batch.

    The weights have a mean of 1 over the training set, so that a batch of heavy patients counts
    for more than a batch of light ones. Where there are members, each has weights of its own.
    """

    @abstractmethod
    def of_each(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Compute the loss of each patient, (B,), of outputs (B, n_outputs)."""

    def forward(self, outputs: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Compute the loss, a scalar, of (B, n_outputs), or of (B, M, n_outputs) of members.

        The target is (B, ...), the weight (B,) or (B, M).
        """
        n_weights = weight.numel()
        if weight.ndim == 2:
            counts = weight > 0  # whoever was not asked has no weight, and no outputs
            target = target.unsqueeze(1).expand(*weight.shape, *target.shape[1:])[counts]
            outputs, weight = outputs[counts], weight[counts]
        return (weight * self.of_each(outputs, target)).sum() / n_weights


class TargetKind(ABC):
    """What the outputs of a network are about; the same for a fit and for what is read from a file.

    Attributes
    ----------
    n_outputs : int
        Outputs of the network.
    group : tuple of str
        What patients are counted by, one and several: see `sizes`.
    splits_every_stratum : bool
        Whether a split without patients of every stratum on both sides is an error; otherwise it is
        made without regard to strata.
    """

    n_outputs: int
    group: ClassVar[tuple[str, str]]
    splits_every_stratum: ClassVar[bool] = False

    @property
    def classes(self) -> Any:
        """Give the net's ``classes_`` for callbacks of skorch; None: it is a regressor."""
        return None

    @abstractmethod
    def loss(self) -> WeightedLoss:
        """Make what training brings down."""

    @abstractmethod
    def said_by(self, outputs: Tensor) -> Tensor:
        """Turn outputs of a network, (..., n_outputs), into what is predicted, of that shape."""

    @abstractmethod
    def answer(self, predicted: np.ndarray) -> np.ndarray:
        """Give what a target is compared with, of what is predicted: a code, a number."""

    @abstractmethod
    def sizes(self, values: np.ndarray) -> np.ndarray:
        """Count the patients of each group that must not be small, for there to be a split."""

    def predictions(self, outputs: Tensor) -> Tensor:
        """Give what is predicted; of members, the mean of those that were asked."""
        each = self.said_by(outputs)
        return each.nanmean(dim=1) if each.ndim == 3 else each


@dataclass(frozen=True)
class Target:
    """What the network learns of each patient, and with what weight.

    Parameters
    ----------
    kind : TargetKind
        What it is.
    values : ndarray of shape (n, ...)
        As its loss takes them; floats come in the precision of the network.
    weight : ndarray of shape (n,)
        Weights of the loss.
    strata : ndarray of int of shape (n,)
        Patients of one stratum are shared out evenly between those to learn from and those to
        watch, and between members.
    """

    kind: TargetKind
    values: np.ndarray
    weight: np.ndarray
    strata: np.ndarray

    def take(self, rows: np.ndarray) -> Target:
        return Target(self.kind, self.values[rows], self.weight[rows], self.strata[rows])

    def with_mean_of_one(self, rows: np.ndarray) -> Target:
        """Scale the weights so that those of some patients have a mean of 1."""
        return replace(self, weight=self.weight / self.weight[rows].mean())

    @property
    def sizes(self) -> np.ndarray:
        """Patients of each group that must not be small."""
        return self.kind.sizes(self.values)


def read_column(y: Any, table: Table, owner: str) -> np.ndarray:
    """Read the one column of targets that belongs to a table; none is missing."""
    if y is None:
        raise ValueError(f"{owner} requires y to be passed, but the target y is None.")
    check_same_rows(table, y=y)
    cells = column_or_1d(as_cells(y), warn=True)
    if len(cells) != len(table):
        raise ValueError(
            f"X and y have inconsistent numbers of samples: {len(table)} and {len(cells)}."
        )
    if cells.dtype == object:
        cells = pd.Series(cells, dtype=object).infer_objects().to_numpy()
    missing = np.asarray(pd.isna(cells))
    if missing.any():
        raise ValueError(
            f"y contains NaN (no label) in {table.rows(missing)}. Leave these patients out: "
            "keep = y.notna(); X, y = X[keep], y[keep]."
        )
    return np.asarray(cells)


def as_cells(y: Any) -> Any:
    """Keep what ``np.asarray`` would turn to text: ``["a", nan]`` has a label that is missing."""
    if isinstance(y, np.ma.MaskedArray):
        return unmasked(y)
    if isinstance(y, (list, tuple)) and not any(np.ndim(v) for v in y):
        return np.array(y, dtype=object)
    return y


def refuse_y_in_table(y: Any, cells: np.ndarray, table: Table) -> None:
    """Refuse a table in which the column of the targets was left."""

    def is_y(column: Column) -> bool:
        as_numbers = column.is_numeric and cells.dtype != object
        return np.array_equal(column.values, cells.astype(np.float64) if as_numbers else cells)

    refuse_column(getattr(y, "name", None), table, is_y, "y")


def refuse_column(name: Any, table: Table, is_target: Callable[[Column], bool], what: str) -> None:
    """Refuse a table whose column of that name, if it has one, is a target."""
    if name is None or name not in (table.keys or ()):
        return
    column = table.columns[(table.keys or []).index(name)]
    if is_target(column):
        raise ValueError(
            f"Column {column.label} of X is {what} itself, so that the model would read off the "
            f"answer. Leave it out: X.drop(columns={column.label})."
        )
