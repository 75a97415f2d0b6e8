"""Trials as tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from optuna.trial import FrozenTrial
from scipy.stats import rankdata

from skedema.search.objective import CrossValidatedObjective


def trials_frame(trials: Sequence[FrozenTrial]) -> pd.DataFrame:
    """Put trials into a table for people; scores and seconds are of the folds they came to."""
    rows: list[dict[str, Any]] = []
    for trial in trials:
        scores = trial.user_attrs.get("fold_scores", [])
        rows.append(
            {
                "number": trial.number,
                "state": trial.state.name.lower(),
                "score": float(np.mean(scores)) if scores else np.nan,
                "n_folds": len(scores),
                "fit_seconds": float(np.nansum(trial.user_attrs.get("fit_seconds", []))),
                **trial.params,
            }
        )
    return pd.DataFrame(rows)


def cv_results(trials: Sequence[FrozenTrial], objective: CrossValidatedObjective) -> dict[str, Any]:
    """Put trials into the columns that `GridSearchCV` has.

    Folds that a trial did not come to are NaN, and so is its mean score; it ranks behind all that
    have one. Mean seconds are of the folds that it came to.
    """
    found: dict[str, Any] = {}
    n_splits = len(objective.splits)
    for key, name in (("fit_seconds", "fit_time"), ("score_seconds", "score_time")):
        seconds = _by_fold(trials, key, n_splits)
        there = [row[~np.isnan(row)] for row in seconds]
        found[f"mean_{name}"] = np.array([r.mean() if r.size else np.nan for r in there])
        found[f"std_{name}"] = np.array([r.std() if r.size else np.nan for r in there])
    parameters = [objective.parameters(trial) for trial in trials]
    for name in sorted({name for drawn in parameters for name in drawn}):
        column = np.ma.MaskedArray(np.empty(len(trials), dtype=object), mask=True)
        for row, drawn in enumerate(parameters):
            if name in drawn:
                column[row] = drawn[name]
        found[f"param_{name}"] = column
    found["params"] = parameters
    scores = _by_fold(trials, "fold_scores", n_splits)
    for fold in range(n_splits):
        found[f"split{fold}_test_score"] = scores[:, fold]
    means = scores.mean(axis=1)
    found["mean_test_score"] = means
    with np.errstate(invalid="ignore"):  # a score may be infinite
        found["std_test_score"] = scores.std(axis=1)
    found["rank_test_score"] = rankdata(
        -np.where(np.isnan(means), -np.inf, means), method="min"
    ).astype(np.int32)
    return found


def _by_fold(trials: Sequence[FrozenTrial], key: str, n_splits: int) -> np.ndarray:
    table = np.full((len(trials), n_splits), np.nan)
    for row, trial in enumerate(trials):
        values = trial.user_attrs.get(key, [])
        table[row, : len(values)] = values
    return table
