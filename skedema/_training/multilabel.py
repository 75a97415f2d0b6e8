"""Several labels a patient, each there or not, or not known: read, checked, weighted, learned.

What scikit-learn calls multilabel: a table of zeros and ones, here with gaps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from skedema._told import tell
from skedema._training.classes import class_weights
from skedema._training.target import Target, TargetKind, WeightedLoss, refuse_column
from skedema.frames import Column, Table, check_same_rows, listed
from skedema.frames.table import unmasked

# Patients of a pattern of labels that is rarer than this are one stratum together.
_RARE = 10
_BOTH = np.array([0, 1])


class WeightedBinaryCrossEntropy(WeightedLoss):
    """Mean of the binary cross-entropies of a patient's labels, where those not known are 0.

    So each label that is known counts the same, whoever's it is.

    Parameters
    ----------
    factors : tuple of (float, float)
        Of each label, what multiplies its loss where it is 0, and where it is 1.
    """

    def __init__(self, factors: tuple[tuple[float, float], ...]) -> None:
        super().__init__()
        self.factors = factors

    def of_each(self, outputs: Tensor, target: Tensor) -> Tensor:
        factors = outputs.new_tensor(self.factors)
        known = ~torch.isnan(target)
        label = torch.where(known, target, 0.0)
        weight = torch.where(label > 0, factors[:, 1], factors[:, 0]) * known
        loss = binary_cross_entropy_with_logits(outputs, label, reduction="none")
        return (weight * loss).mean(dim=-1)


@dataclass(frozen=True)
class MultiLabel(TargetKind):
    """Labels of which a patient may have several, as 0 and 1, NaN where it is not known."""

    n_outputs: int
    factors: tuple[tuple[float, float], ...] = ()
    group: ClassVar[tuple[str, str]] = ("value of each label", "values, 0 and 1 of each label,")

    @property
    def classes(self) -> np.ndarray:
        return np.array([_BOTH] * self.n_outputs)

    def loss(self) -> WeightedBinaryCrossEntropy:
        return WeightedBinaryCrossEntropy(self.factors or ((1.0, 1.0),) * self.n_outputs)

    def said_by(self, outputs: Tensor) -> Tensor:
        return outputs.sigmoid()

    def answer(self, predicted: np.ndarray) -> np.ndarray:
        return np.asarray(predicted > 0.5).astype(int)

    def sizes(self, values: np.ndarray) -> np.ndarray:
        return np.stack([(values == label).sum(axis=0) for label in _BOTH], axis=1).ravel()


def is_multilabel(y: Any) -> bool:
    """Tell whether there are several targets a patient, as far as their form says."""
    if isinstance(y, (list, tuple)):
        return bool(y) and all(np.ndim(each) == 1 for each in y) and len(y[0]) > 1
    shape: tuple[int, ...] = getattr(y, "shape", ())
    return len(shape) == 2 and shape[1] > 1


def read_multilabel(y: Any, table: Table) -> tuple[np.ndarray, list[Any]]:
    """Read a table of labels; gives 0, 1 and NaN, of shape (n, k), and what the labels are called.

    Those of a table have its columns' names, others are numbers.
    """
    check_same_rows(table, y=y)
    cells = _cells(y)
    if len(cells) != len(table):
        raise ValueError(
            f"X and y have inconsistent numbers of samples: {len(table)} and {len(cells)}."
        )
    columns = getattr(y, "columns", None)
    names = list(range(cells.shape[1]) if columns is None else columns)
    if len(set(names)) < len(names):
        raise ValueError(f"Columns of y have the same name: {listed(names)}. Give each its own.")
    missing = _missing(cells)
    values = np.full(cells.shape, np.nan)
    known = cells[~missing]
    values[~missing] = np.select([known == label for label in _BOTH], _BOTH, np.nan)
    odd = ~missing & np.isnan(values)
    if odd.any():
        column = int(odd.any(axis=0).argmax())
        found = pd.unique(pd.Series(cells[odd[:, column], column])).tolist()
        raise ValueError(
            f"Unknown label type: y has {len(names)} columns, each of which is a label that a "
            "patient has (1), has not (0), or of which nobody knows (NaN); column "
            f"{names[column]!r} holds {listed(found)} in {table.rows(odd[:, column])}. For columns "
            "of several classes take sklearn.multioutput.MultiOutputClassifier."
        )
    nothing = np.asarray(missing.all(axis=1))
    if nothing.any():
        raise ValueError(
            f"y holds no label at all in {table.rows(nothing)}. Leave these patients out: "
            "keep = y.notna().any(axis=1); X, y = X[keep], y[keep]."
        )
    _refuse_y_in_table(columns, values, table)
    return values, names


def multilabel_target(labels: np.ndarray, weight: np.ndarray, class_weight: Any) -> Target:
    """Weigh labels, and share patients out by the pattern of theirs."""
    factors = tuple(
        _factors(of_label, column, weight)
        for of_label, column in zip(_for_each(class_weight, labels.shape[1]), labels.T, strict=True)
    )
    return Target(MultiLabel(labels.shape[1], factors), labels, weight, _strata(labels))


def check_values(labels: np.ndarray, names: list[Any]) -> None:
    """Refuse labels that are known of nobody, and warn once of those that are the same for all."""
    nobody = np.isnan(labels).all(axis=0)
    if nobody.any():
        raise ValueError(
            f"y holds no value at all in {_named(names, nobody)}, among the patients that have a "
            "weight. Leave out what is known of no patient."
        )
    same = np.array([len(np.unique(column[~np.isnan(column)])) < 2 for column in labels.T])
    if same.any():
        tell(
            f"y holds one value only in {_named(names, same)}, among the patients to learn from: "
            "what tells patients with it from those without cannot be learned."
        )


def refuse_other_classes(announced: np.ndarray) -> None:
    """Refuse classes, announced to `partial_fit`, that are not the two values of each label."""
    if not np.array_equal(announced, _BOTH):
        raise ValueError(
            f"classes={announced.tolist()}: y has several columns, labels that a patient has (1) "
            "or has not (0). Give classes=[0, 1]."
        )


def labels_to_score(y: Any, names: list[Any]) -> np.ndarray:
    """Read labels that belong to predictions of those of these names; all have to be known."""
    cells, columns = _cells(y), getattr(y, "columns", None)
    given = list(range(cells.shape[1]) if columns is None else columns) if cells.ndim == 2 else []
    numbered = list(range(len(names)))
    if len(given) != len(names) or (given != names and numbered not in (given, names)):
        raise ValueError(
            f"The fit learned the labels {names}, and y has {given or 'one column'}. Give the same "
            "columns in the same order."
        )
    gaps = np.asarray(_missing(cells).any(axis=1))
    if gaps.any():
        raise ValueError(
            f"{int(gaps.sum())} of {len(gaps)} patients lack a label, and score asks for all of "
            "them at once. Score each label k among those where it is known: known = "
            "pd.DataFrame(y).notna().to_numpy()[:, k]; y_k = pd.DataFrame(y).to_numpy()[known, k]; "
            "roc_auc_score(y_k.astype(int), clf.predict_proba(X)[known, k])."
        )
    return cells.astype(int)


def values_of(y: Any) -> np.ndarray:
    """Give the two values of each label, (k, 2): what `y` had, booleans or integers."""
    cells = _cells(y)
    kind = bool if cells.dtype.kind == "b" else int
    return np.array([_BOTH] * cells.shape[1]).astype(kind)


def _cells(y: Any) -> np.ndarray:
    if isinstance(y, np.ma.MaskedArray):
        return np.asarray(unmasked(y))
    if hasattr(y, "to_numpy"):
        return np.asarray(y.to_numpy())
    if hasattr(y, "toarray"):
        return np.asarray(y.toarray())
    if isinstance(y, (list, tuple)) and len(lengths := set(map(np.size, y))) > 1:
        raise ValueError(
            f"The rows of y differ in length: {sorted(lengths)}. Give each patient a value for "
            "each label: 1, 0, or NaN where it is not known."
        )
    return np.asarray(y)


def _missing(cells: np.ndarray) -> np.ndarray:
    return np.array(pd.isna(cells), dtype=bool)


def _named(names: list[Any], which: np.ndarray) -> str:
    found = [name for name, asked in zip(names, which, strict=True) if asked]
    return f"column{'s' if len(found) > 1 else ''} {listed(found)}"


def _refuse_y_in_table(columns: Any, values: np.ndarray, table: Table) -> None:
    """Refuse a table in which a column of the labels was left."""

    def is_label(label: np.ndarray, column: Column) -> bool:
        cells = pd.to_numeric(pd.Series(column.values), errors="coerce").to_numpy(np.float64)
        return np.array_equal(cells, label, equal_nan=True)

    for name, label in zip(() if columns is None else columns, values.T, strict=False):
        refuse_column(name, table, partial(is_label, label), "a column of y")


def _for_each(class_weight: Any, n_labels: int) -> Sequence[Any]:
    """Give the `class_weight` of each label."""
    if not isinstance(class_weight, list):
        return [class_weight] * n_labels
    if len(class_weight) != n_labels or not all(isinstance(w, Mapping) for w in class_weight):
        raise ValueError(
            f"class_weight must be a list of {n_labels} dicts, one a column of y, such as "
            f"{[{0: 1.0, 1: 2.0}] * n_labels}, or one for all of them; got {class_weight!r}."
        )
    return class_weight


def _factors(class_weight: Any, label: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    known = ~np.isnan(label)
    if not known.any():  # in a part of the patients
        return 1.0, 1.0
    codes, weight = label[known].astype(int), weight[known]
    of_each = class_weights(class_weight, codes, _BOTH, weight)
    found = [float(of_each[codes == code][0]) if (codes == code).any() else 1.0 for code in _BOTH]
    return found[0], found[1]


def _strata(labels: np.ndarray) -> np.ndarray:
    """Give each frequent pattern of labels a number, and all rare ones another."""
    patterns = np.unique(np.nan_to_num(labels, nan=2), axis=0, return_inverse=True)[1].ravel()
    rare = np.bincount(patterns)[patterns] < _RARE
    return np.where(rare, patterns.max() + 1, patterns)
