"""What an estimator predicts of rows that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

#: Before the level, the name of a column of predicted quantiles.
QUANTILE = "quantile_"


@dataclass(frozen=True)
class Predictions:
    """Predictions of some rows by one estimator.

    Classes are numbers from 0 to K - 1; of two, 1 is the positive one.

    Attributes
    ----------
    rows : ndarray of int of shape (n,)
        Positions in X.
    label, predicted : ndarray of int of shape (n,)
        Classes.
    probability : ndarray of float of shape (n, K)
        Of each class.
    """

    rows: NDArray[np.intp]
    label: NDArray[Any]
    probability: NDArray[np.float64]
    predicted: NDArray[Any]

    @property
    def n_classes(self) -> int:
        return int(self.probability.shape[1])

    def at(self, chosen: NDArray[np.bool_]) -> Predictions:
        """Keep the rows that are chosen, among all rows of X."""
        kept = chosen[self.rows]
        return type(self)(
            self.rows[kept], self.label[kept], self.probability[kept], self.predicted[kept]
        )

    def against_rest(self, k: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Give label, probability and prediction of one class, as of two: it and the rest."""
        return self.label == k, self.probability[:, k], self.predicted == k

    def whole(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Give the same of all classes at once; of two, those of the positive one."""
        if self.n_classes == 2:
            return self.against_rest(1)
        return self.label, self.probability, self.predicted


@dataclass(frozen=True)
class NumberPredictions(Predictions):
    """Predictions of numbers: `label` is what is observed, `probability` quantiles, if any.

    `label` and `predicted` are floats of shape (n,), quantiles of shape (n, k), NaN where an
    estimator predicts none.
    """

    @property
    def n_classes(self) -> int:
        return 1

    def whole(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        return self.label, self.probability, self.predicted


def quantile_columns(table: pd.DataFrame) -> list[str]:
    """Name the columns of quantiles in a table of predictions of numbers, in order."""
    return [name for name in table.columns if str(name).startswith(QUANTILE)]


def probability_columns(classes: Sequence[Any]) -> list[str]:
    """Name the columns of probabilities: of two classes, that of the positive one alone."""
    return ["probability"] if len(classes) == 2 else [f"probability_{each}" for each in classes]


def positive_class(classes: Sequence[Any]) -> str | None:
    """Say above the columns of a table which class of two is the positive one."""
    return f"positive class {classes[1]!r}" if len(classes) == 2 else None


def predictions_of(table: pd.DataFrame, classes: Sequence[Any]) -> Predictions:
    """Read predictions from rows of a table such as `Evaluation.predictions`.

    Without classes they are of numbers.
    """
    if not classes:
        observed, predicted = table["observed"].to_numpy(), table["predicted"].to_numpy()
        quantiles = table[quantile_columns(table)].to_numpy(dtype=np.float64)
        return NumberPredictions(table["row"].to_numpy(), observed, quantiles, predicted)
    names = pd.Index(classes)
    probability = table[probability_columns(classes)].to_numpy(dtype=np.float64)
    if len(classes) == 2:
        probability = np.column_stack([1 - probability, probability])
    return Predictions(
        table["row"].to_numpy(),
        names.get_indexer(table["label"]),
        probability,
        names.get_indexer(table["predicted"]),
    )
