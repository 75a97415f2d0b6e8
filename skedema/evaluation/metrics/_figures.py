"""Figures of arrays of predictions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from skedema.evaluation.metrics._arrays import several_classes, two_classes
from skedema.evaluation.metrics._metric import SETTINGS, measured
from skedema.evaluation.metrics._registry import METRICS, find_metrics


def figures(
    label: Any,
    probability: Any,
    predicted: Any = None,
    *,
    names: Iterable[str] = METRICS,
    specificity: float = SETTINGS["specificity"],
    threshold: float = SETTINGS["threshold"],
    pos_label: Any = None,
    classes: Sequence[Any] | None = None,
) -> dict[str, float]:
    """Compute figures of predictions.

    Parameters
    ----------
    label : array-like of shape (n,)
        1 or True for the positive class, 0, -1 or False for the other; any labels of two classes
        with `pos_label`, and of more with a column of probabilities for each.
    probability : array-like of shape (n,) or (n, n_classes)
        Predicted probability of the positive class; of three classes or more, that of each.
    predicted : array-like of shape (n,) or None, default=None
        The class that is predicted, as in `label`. None is the positive one at a probability of at
        least 0.5; of several classes, the most likely.
        Accuracy, balanced accuracy, precision, recall, specificity and F1 count these.
    names : iterable of str, default=METRICS
        Names of `METRICS`, of `register_metric` or of scikit-learn's scorers.
    specificity : float, default=0.9
        For `sensitivity_at_specificity`.
    threshold : float, default=0.5
        For `net_benefit`.
    pos_label : object, default=None
        The label of the positive class of two. None: 1 or True.
    classes : sequence or None, default=None
        The labels of the columns of `probability`. None: those that occur, in order.

    Returns
    -------
    dict of str to float
        The figures. One that is not defined, such as an AUC where there is one class only, or the
        precision where nothing is predicted positive, is NaN.

    Raises
    ------
    ValueError
        When there is no metric of a name, the arrays do not fit together, or `pos_label` is given
        with more than two classes.

    Examples
    --------
    >>> from skedema.evaluation.metrics import figures
    >>> figures([0, 1, 0, 1], [0.1, 0.4, 0.6, 0.9], names=["roc_auc", "recall"])
    {'roc_auc': 0.75, 'recall': 0.5}
    """
    shape = np.shape(probability)
    if len(shape) == 2 and shape[1] > 2:
        if pos_label is not None:
            raise ValueError(
                f"pos_label={pos_label!r} names the positive class of two, but probability has "
                f"{shape[1]} columns: leave it out, or give label == the class and its column."
            )
        predictions = several_classes(label, probability, predicted, classes)
    else:
        predictions = two_classes(label, probability, predicted, pos_label)
    settings = {"specificity": specificity, "threshold": threshold}
    weight = np.ones(len(predictions.label))
    return {
        metric.name: float(measured(metric, predictions, weight, settings))
        for metric in find_metrics(names)
    }
