"""What is predicted where one outcome a patient is asked about: classes, or a number."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import is_regressor


def predicts_numbers(estimator: Any) -> bool:
    """Tell whether it is a regressor; what is no estimator is none."""
    return hasattr(estimator, "__sklearn_tags__") and bool(is_regressor(estimator))


def classes_of(classifier: Any) -> np.ndarray:
    """Give the classes of a fitted classifier; numbers, or several labels, are an error."""
    name = type(classifier).__name__
    if predicts_numbers(classifier):
        raise TypeError(
            f"{name} gives no probabilities of classes: it predicts a number. What counts for one "
            "is told by sklearn.inspection.permutation_importance, with intervals by "
            "ImportanceDisplay and MissingnessDisplay of skedema.inspection; with "
            "loss='quantile', predict_quantiles(X) gives an interval of each patient."
        )
    classes = getattr(classifier, "classes_", None)
    if classes is None:
        raise TypeError(
            f"{name} gives no probabilities of classes, and this is about these: give a fitted "
            "classifier."
        )
    if isinstance(classes, list) or np.ndim(classes) == 2:
        labels = getattr(classifier, "label_names_", np.arange(len(classes))).tolist()
        raise ValueError(
            f"{name} was fitted on {len(classes)} labels a patient, {labels}, "
            "and this is about one outcome. Fit it on the column of y that you ask about: "
            f"clone(clf).fit(X, y[{labels[0]!r}])."
        )
    return np.asarray(classes)
