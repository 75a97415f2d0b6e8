"""The classes of a classifier where one outcome a patient is asked about."""

from __future__ import annotations

from typing import Any

import numpy as np


def classes_of(classifier: Any) -> np.ndarray:
    """Give the classes of a fitted classifier; one of several labels a patient is an error."""
    classes = getattr(classifier, "classes_", None)
    if classes is None:
        raise TypeError(
            f"{type(classifier).__name__} gives no probabilities of classes, and this is about "
            "these: give a fitted classifier. What numbers hang on, sklearn.inspection."
            "permutation_importance(estimator, X, y) tells."
        )
    if isinstance(classes, list) or np.ndim(classes) == 2:
        names = getattr(classifier, "label_names_", np.arange(len(classes))).tolist()
        raise ValueError(
            f"{type(classifier).__name__} was fitted on {len(classes)} labels a patient, {names}, "
            "and this is about one outcome. Fit it on the column of y that you ask about: "
            f"clone(clf).fit(X, y[{names[0]!r}])."
        )
    return np.asarray(classes)
