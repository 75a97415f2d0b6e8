"""Classes: the labels of a cohort read, checked, weighted, and as the network learns them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d
from torch import Tensor
from torch.nn.functional import cross_entropy

from skedema._training.target import (
    Target,
    TargetKind,
    WeightedLoss,
    as_cells,
    read_column,
    refuse_y_in_table,
)
from skedema.clinical.suspicions import warn_of_twins
from skedema.clinical.texts import is_no_value
from skedema.frames import Table, listed


class WeightedCrossEntropy(WeightedLoss):
    """Cross-entropy of logits and codes."""

    def of_each(self, outputs: Tensor, target: Tensor) -> Tensor:
        return cross_entropy(outputs, target, reduction="none")


@dataclass(frozen=True)
class Classes(TargetKind):
    """Classes of which a patient has one, as codes: positions in the estimator's ``classes_``."""

    n_outputs: int
    group: ClassVar[tuple[str, str]] = ("class", "classes")
    splits_every_stratum: ClassVar[bool] = True

    @property
    def classes(self) -> np.ndarray:
        return np.arange(self.n_outputs)

    def loss(self) -> WeightedCrossEntropy:
        return WeightedCrossEntropy()

    def said_by(self, outputs: Tensor) -> Tensor:
        return outputs.softmax(dim=-1)

    def answer(self, predicted: np.ndarray) -> np.ndarray:
        return np.asarray(predicted.argmax(axis=1))

    def sizes(self, values: np.ndarray) -> np.ndarray:
        return np.bincount(values, minlength=self.n_outputs)


def class_target(
    labels: np.ndarray, weight: np.ndarray, table: Table, classes: np.ndarray, class_weight: Any
) -> Target:
    """Make class codes of labels, and weigh patients by themselves and by class."""
    codes = class_codes(labels, classes, table)
    weight = weight * class_weights(class_weight, codes, classes, weight)
    if not weight.any():
        raise ValueError("class_weight and sample_weight leave zero weight to every patient.")
    return Target(Classes(len(classes)), codes, weight, codes)


def two_or_more(classes: np.ndarray) -> np.ndarray:
    """Give the classes of a first fit, which are two at least."""
    if len(classes) < 2:
        raise ValueError(
            f"y holds one class, {classes.tolist()[0]!r}, among the patients that have "
            "a weight; a classifier needs at least two classes."
        )
    return classes


def read_labels(y: Any, table: Table) -> np.ndarray:
    """Read the labels that belong to a table: none is missing, and all are classes.

    Warns of classes that differ in case or blanks alone.
    """
    labels = read_column(y, table, "AttentionMixerClassifier")
    if labels.dtype.kind in "OUT":
        _check_text(labels, table)
    elif labels.dtype.kind == "f" and np.isinf(labels).any():
        raise ValueError(f"y contains inf in {table.rows(np.isinf(labels))}.")
    elif labels.dtype.kind not in "biuf":
        raise ValueError(f"Unknown label type: y holds {labels.dtype}; give a class a patient.")
    check_classification_targets(labels)
    refuse_y_in_table(y, labels, table)
    return labels


def read_classes(classes: Any) -> np.ndarray:
    """Read the classes that `partial_fit` announces: sorted, each once."""
    given = column_or_1d(as_cells(classes))
    if np.asarray(pd.isna(given)).any():
        raise ValueError(f"classes holds a missing value: {given.tolist()}. Leave it out.")
    return np.unique(given if given.dtype != object else np.array(given.tolist()))


def class_codes(labels: np.ndarray, classes: np.ndarray, table: Table) -> np.ndarray:
    """Turn labels into class codes, positions in the sorted `classes`."""
    unknown = ~np.isin(labels, classes)
    if unknown.any():
        raise ValueError(
            f"y holds labels that are none of the classes {classes.tolist()}, in "
            f"{table.rows(unknown)}: {listed(np.unique(labels[unknown]).tolist())}."
        )
    return np.searchsorted(classes, labels)


def class_weights(
    class_weight: Any, codes: np.ndarray, classes: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Give the factor of each patient's weight.

    ``"balanced"`` is scikit-learn's rule with sample weights,
    ``sum(w) / (n_classes sum(w of the class))``; a dict goes from label to weight.
    """
    if class_weight is None:
        return np.ones(len(codes))
    if isinstance(class_weight, list):
        raise ValueError(
            "class_weight is a list, which has a dict for each of several columns of y, and y has "
            "one. Give a dict."
        )
    if isinstance(class_weight, str):
        total = np.bincount(codes, weights=weight, minlength=len(classes))
        with np.errstate(divide="ignore"):
            return np.asarray((weight.sum() / (len(classes) * total))[codes])
    labels = classes.tolist()
    unknown = [label for label in class_weight if label not in labels]
    absent = [label for label in labels if label not in class_weight]
    if unknown or absent:
        raise ValueError(
            f"class_weight must hold a weight for each of the classes {labels}; "
            f"without one: {listed(absent) or 'none'}; unknown: {listed(unknown) or 'none'}."
        )
    factors = np.array([class_weight[label] for label in labels], dtype=np.float64)
    if not np.isfinite(factors).all() or (factors < 0).any():
        raise ValueError(f"class_weight must hold finite weights of 0 or more; got {class_weight}.")
    return np.asarray(factors[codes])


def _check_text(labels: np.ndarray, table: Table) -> None:
    kinds = sorted({"text" if isinstance(v, str) else type(v).__name__ for v in labels})
    if kinds != ["text"]:
        raise ValueError(
            f"Unknown label type: y holds {', '.join(kinds)}; a class is a text, an integer or a "
            "boolean, one kind throughout: y.astype(str)."
        )
    empty = np.array([not v.strip() or is_no_value(v) for v in labels], dtype=bool)
    if empty.any():
        raise ValueError(
            f"y holds no label but {listed(np.unique(labels[empty]).tolist())} in "
            f"{table.rows(empty)}. Leave these patients out: X, y = X[keep], y[keep]."
        )
    warn_of_twins("y", np.unique(labels).tolist())
