"""The parts of an `Evaluation`, from what estimators came to on folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skedema.evaluation._folds import Task
from skedema.evaluation._outcome import Outcome
from skedema.evaluation._predictions import QUANTILE, positive_class, probability_columns


def class_order(classes: NDArray[Any] | None, pos_label: Any) -> NDArray[np.intp]:
    """Give the order in which classes are told: of two, the positive one last; of numbers none."""
    if classes is None:
        if pos_label is not None:
            raise ValueError(f"pos_label={pos_label!r} is for classes, and these are numbers.")
        return np.arange(0)
    order = np.arange(len(classes))
    if pos_label is None:
        return order
    if len(classes) > 2:
        raise ValueError(
            f"pos_label={pos_label!r} names the positive class of two, but y has {len(classes)}: "
            "leave it out, and see per_class() of the result for each class against the rest; or "
            "evaluate y == the class."
        )
    if pos_label not in classes.tolist():
        raise ValueError(f"pos_label={pos_label!r} is none of the classes {classes.tolist()}.")
    return order if classes[1] == pos_label else order[::-1]


def covariates_of(subgroups: Any, X: Any, n_rows: int) -> pd.DataFrame:
    """Take the columns that subgroups may be asked for, from X by name or as they are given."""
    if subgroups is None:
        return pd.DataFrame(index=pd.RangeIndex(n_rows))
    if isinstance(subgroups, str):
        subgroups = [subgroups]
    names = None
    table = subgroups
    if isinstance(subgroups, (list, tuple)):
        names, table = subgroups, X
    columns: dict[str, Any] = {}
    if isinstance(table, pd.DataFrame):  # its names need not be text
        table = {name: table[name] for name in table.columns}
    native = nw.from_native(table, eager_only=True, pass_through=True)
    if not isinstance(native, (nw.DataFrame, Mapping)):
        raise TypeError(
            "subgroups must be names of columns of a table X, or a table or dict of columns, got "
            f"{type(table).__name__}."
        )
    labels = list(native.columns if isinstance(native, nw.DataFrame) else native)
    for name in labels if names is None else names:
        if name not in labels:
            raise ValueError(f"subgroups names {name!r}, which is no column of X: {labels}.")
        column = native[name]
        values = column.to_numpy() if isinstance(column, nw.Series) else np.asarray(column)
        if values.shape != (n_rows,):
            raise ValueError(
                f"The subgroup {name!r} has shape {values.shape}, but X has {n_rows} rows."
            )
        columns[name] = values
    return pd.DataFrame(columns, index=pd.RangeIndex(n_rows))


def prediction_table(
    tasks: Sequence[Task],
    found: Sequence[Outcome],
    y: Any,
    classes: NDArray[Any],
    order: NDArray[np.intp],
) -> pd.DataFrame:
    """List what each estimator said of each row that it was tested on."""
    y = np.asarray(y)
    names = classes[order].tolist()
    columns = probability_columns(names)
    parts = [
        pd.DataFrame(
            {
                "estimator": task.name,
                "repeat": task.split.repeat,
                "fold": task.split.fold,
                "row": task.split.test,
                "label": y[task.split.test],
                **dict(zip(columns, outcome.probability[:, order[-len(columns) :]].T, strict=True)),
                "predicted": classes[outcome.predicted],
            }
        )
        for task, outcome in zip(tasks, found, strict=True)
    ]
    return pd.concat(parts, ignore_index=True).rename_axis(columns=positive_class(names))


def number_table(
    tasks: Sequence[Task], found: Sequence[Outcome], y: Any, quantiles: Sequence[float]
) -> pd.DataFrame:
    """List the same of numbers, with a column a predicted quantile; NaN where there is none."""
    y = np.asarray(y, dtype=np.float64)
    names = [f"{QUANTILE}{level:g}" for level in quantiles]
    parts = []
    for task, outcome in zip(tasks, found, strict=True):
        place = {"estimator": task.name, "repeat": task.split.repeat, "fold": task.split.fold}
        rows = task.split.test
        part = pd.DataFrame(
            place | {"row": rows, "observed": y[rows], "predicted": outcome.predicted}
        )
        there = outcome.probability.shape[1] == len(names)
        part[names] = outcome.probability if there else np.nan
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def estimators_of(tasks: Sequence[Task], found: Sequence[Outcome]) -> dict[str, list[Any]]:
    """List what was fitted, by name; nothing where it was not wanted."""
    fitted: dict[str, list[Any]] = {}
    for task, outcome in zip(tasks, found, strict=True):
        if outcome.estimator is not None:
            fitted.setdefault(task.name, []).append(outcome.estimator)
    return fitted


def fit_table(tasks: Sequence[Task], found: Sequence[Outcome]) -> pd.DataFrame:
    """List the fits."""

    def row(task: Task, outcome: Outcome) -> dict[str, Any]:
        split = task.split
        return {
            "estimator": task.name,
            "repeat": split.repeat,
            "fold": split.fold,
            "n_train": len(split.train) or np.nan,  # not known of what comes fitted
            "n_test": len(split.test),
            "fit_seconds": outcome.fit_seconds,
            "predict_seconds": outcome.predict_seconds,
        }

    return pd.DataFrame([row(*each) for each in zip(tasks, found, strict=True)])
