"""The labels of a cohort: read, checked and weighted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from skedema.frames import Table, listing


def read_target(y: Any, table: Table) -> np.ndarray:
    """Read the labels that belong to a table.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        The labels.
    table : Table
        The patients.

    Returns
    -------
    ndarray of shape (n_samples,)
        The labels, none missing.

    Raises
    ------
    ValueError
        When labels are missing, are too many or too few, belong to other rows of a pandas table,
        or are no classes.
    """
    if y is None:
        raise ValueError(
            "AttentionMixerClassifier requires y to be passed, but the target y is None."
        )
    index = getattr(y, "index", None)
    if isinstance(index, pd.Index) and table.index is not None:
        _check_index(index, table.index)
    labels = column_or_1d(y, warn=True)
    if len(labels) != len(table):
        raise ValueError(
            f"X and y have inconsistent numbers of samples: {len(table)} and {len(labels)}."
        )
    if labels.dtype == object:
        labels = pd.Series(labels, dtype=object).infer_objects().to_numpy()
    missing = np.asarray(pd.isna(labels))
    if missing.any():
        raise ValueError(
            f"y contains NaN (no label) in {table.rows(missing)}. Leave these patients out: "
            "keep = y.notna(); X, y = X[keep], y[keep]."
        )
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ValueError(f"y contains inf in {table.rows(np.isinf(labels))}.")
    check_classification_targets(labels)
    return np.asarray(labels)


def class_codes(labels: np.ndarray, classes: np.ndarray, table: Table) -> np.ndarray:
    """Turn labels into class codes.

    Parameters
    ----------
    labels : ndarray of shape (n,)
        From `read_target`.
    classes : ndarray of shape (n_classes,)
        Sorted.
    table : Table
        The patients, for messages.

    Returns
    -------
    ndarray of int of shape (n,)
        Positions in `classes`.

    Raises
    ------
    ValueError
        When a label is none of the classes.
    """
    unknown = ~np.isin(labels, classes)
    if unknown.any():
        raise ValueError(
            f"y holds labels that are none of the classes {classes.tolist()}, in "
            f"{table.rows(unknown)}: {listing([repr(v) for v in np.unique(labels[unknown])])}."
        )
    return np.searchsorted(classes, labels)


def class_weights(
    class_weight: Any, codes: np.ndarray, classes: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Weigh the classes.

    Parameters
    ----------
    class_weight : None, "balanced" or dict
        ``"balanced"``: ``sum(w) / (n_classes sum(w of the class))``, scikit-learn's rule with
        sample weights. A dict goes from label to weight.
    codes : ndarray of int of shape (n,)
        The patients' classes.
    classes : ndarray of shape (n_classes,)
        The labels of the codes.
    weight : ndarray of shape (n,)
        The patients' weights.

    Returns
    -------
    ndarray of shape (n,)
        The factor of each patient's weight.
    """
    if class_weight is None:
        return np.ones(len(codes))
    if isinstance(class_weight, str):
        total = np.bincount(codes, weights=weight, minlength=len(classes))
        with np.errstate(divide="ignore"):
            return np.asarray((weight.sum() / (len(classes) * total))[codes])
    factors = compute_class_weight(class_weight, classes=classes, y=classes[codes])
    return np.asarray(factors[codes])


def _check_index(y_index: pd.Index, x_index: pd.Index) -> None:
    if len(y_index) != len(x_index) or y_index.equals(x_index):
        return
    first = int(np.flatnonzero(np.asarray(y_index != x_index))[0])
    same = y_index.sort_values().equals(x_index.sort_values())
    problem = (
        "hold the same row labels in another order" if same else "do not have the same row labels"
    )
    raise ValueError(
        f"X and y {problem}; the first difference is row {first}: index {x_index[first]!r} of X, "
        f"{y_index[first]!r} of y. Align them with y = y.loc[X.index]; where the rows already "
        "belong together, give y.to_numpy()."
    )
