"""The patient that is looked at, as a table of one row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from skedema._training.fitted_model import FittedModel

# How to come to the model within an estimator that holds one.
_WITHIN = {
    "steps": "its last step, model[-1], and the row as model[:-1].transform makes it",
    "best_estimator_": "the best one, search.best_estimator_",
    "calibrated_classifiers_": "one within, calibrated.calibrated_classifiers_[0].estimator",
    "estimator_": "the one within, model.estimator_",
    "estimator": "the one within, model.estimator",
}


def one_row(clf: Any, row: Any) -> pd.DataFrame:
    """Read one patient as a fitted model does.

    Parameters
    ----------
    clf : AttentionMixerClassifier
        Fitted.
    row : dict, Series, or DataFrame or array-like of one row
        One patient, with the columns of `fit` in any order. Where a dict or a Series has no scan,
        it is missing.

    Returns
    -------
    DataFrame of one row
        The columns of `fit`, in their order; numbers as float64, NaN or None for what is missing.
        It keeps the label of a row that has one.

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    TypeError
        If it is none of ours, such as a pipeline around one.
    ValueError
        If there are several rows, or the columns are not those of `fit`.
    """
    checked(clf)
    table = clf._columns.read(row)
    if len(table) != 1:
        raise ValueError(
            f"One patient is looked at, and there are {len(table)} rows. Give one of them: "
            "X.iloc[[0]], X.iloc[0], or a dict of its values."
        )
    keys = range(len(table.columns)) if table.keys is None else table.keys
    cells = {}
    for key, column in zip(keys, table.columns, strict=True):
        value = np.empty(1, dtype=column.values.dtype)
        value[0] = column.values[0]  # an array stays one cell
        cells[key] = pd.Series(value, index=range(1))
    frame = pd.DataFrame(cells)
    return frame if table.index is None else frame.set_axis(table.index)


def checked(clf: Any) -> Any:
    """Give the model, if it is one of ours and fitted; else say how to come to it."""
    if not isinstance(clf, FittedModel):
        within = next((how for name, how in _WITHIN.items() if hasattr(clf, name)), None)
        remedy = within or "a fitted AttentionMixerClassifier"
        raise TypeError(
            f"{type(clf).__name__} cannot be looked into, but the classifier itself can: give "
            f"{remedy}."
        )
    check_is_fitted(clf)
    return clf
