"""A trial on one fold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from sklearn.model_selection import cross_validate

from skedema._each import named

Split: TypeAlias = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Fold:
    """What a trial came to on a fold: its score and seconds, NaN and the error where it failed."""

    score: float
    fit_seconds: float
    score_seconds: float
    error: Exception | None = None


@named(lambda estimator, *_: f"{type(estimator).__name__} on a fold")
def score_fold(
    estimator: Any, X: Any, y: Any, split: Split, scorer: Any, fit_params: Mapping[str, Any]
) -> Fold:
    """Fit a clone on the first part of a split, and score it on the second.

    An error is given back, not raised: folds before this one may end the trial.
    """
    try:
        found = cross_validate(
            estimator,
            X,
            y,
            cv=[split],
            scoring=scorer,
            params=dict(fit_params) or None,
            error_score="raise",
        )
    except Exception as error:
        return Fold(np.nan, np.nan, np.nan, error)
    return Fold(
        float(found["test_score"][0]), float(found["fit_time"][0]), float(found["score_time"][0])
    )
