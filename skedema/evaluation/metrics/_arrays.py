"""Labels and predictions as people have them, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from skedema.evaluation._labels import positives
from skedema.evaluation._predictions import Predictions
from skedema.evaluation.metrics._metric import Metric, measured


def of_two_classes(
    metric: Metric,
    label: Any,
    probability: Any,
    sample_weight: Any,
    pos_label: Any,
    **settings: float,
) -> float:
    """Compute a metric of two classes from their arrays."""
    predictions = two_classes(label, probability, None, pos_label)
    n_rows = len(predictions.label)
    weight = np.ones(n_rows) if sample_weight is None else np.asarray(sample_weight, float)
    return float(measured(metric, predictions, weight, settings))


def two_classes(label: Any, probability: Any, predicted: Any, pos_label: Any) -> Predictions:
    """Read predictions of two classes; without `predicted` a probability of 0.5 decides."""
    label = positives(label, pos_label)
    probability = np.asarray(probability, dtype=np.float64)
    if probability.shape != label.shape:
        raise ValueError(
            f"There are {len(label)} labels, but probabilities of shape {probability.shape}. Give "
            "the probability of the positive class, predict_proba(X)[:, 1]; of three or more "
            "classes, a column for each."
        )
    predicted = (
        probability >= 0.5 if predicted is None else positives(predicted, pos_label, "predicted")
    )
    return _checked(label, np.column_stack([1 - probability, probability]), predicted)


def several_classes(
    label: Any, probability: Any, predicted: Any, classes: Sequence[Any] | None
) -> Predictions:
    """Read predictions of several classes; without `predicted` the most likely is."""
    label, probability = np.asarray(label), np.asarray(probability, dtype=np.float64)
    names = pd.Index(np.unique(label) if classes is None else classes)
    if len(names) != probability.shape[1]:
        raise ValueError(
            f"There are {probability.shape[1]} columns of probabilities, but {len(names)} classes: "
            f"{names[:5].tolist()}. Give classes= the label of each column, estimator.classes_."
        )
    codes = names.get_indexer(label)
    chosen = probability.argmax(axis=1) if predicted is None else names.get_indexer(predicted)
    for name, found, given in (("label", codes, label), ("predicted", chosen, predicted)):
        if (found < 0).any():
            raise ValueError(
                f"{name} holds {np.asarray(given)[found < 0].tolist()[0]!r}, which is none of the "
                f"classes {names[:5].tolist()}."
            )
    return _checked(codes, probability, chosen)


def _checked(label: Any, probability: Any, predicted: Any) -> Predictions:
    for name, found in (("probability", probability), ("predicted", predicted)):
        if len(found) != len(label):
            raise ValueError(f"There are {len(label)} labels, but {len(found)} in {name}.")
    if not ((probability >= 0) & (probability <= 1)).all():
        raise ValueError("Probabilities must be between 0 and 1, and none may be NaN.")
    return Predictions(
        np.arange(len(label)), label.astype(np.intp), probability, predicted.astype(np.intp)
    )
