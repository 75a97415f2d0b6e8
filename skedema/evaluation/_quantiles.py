"""Quantiles that a regressor predicts, also from within a pipeline, a transformer or a search."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline


def levels_of(estimator: Any) -> tuple[float, ...]:
    """Give the levels of the quantiles that it predicts, or will once it is fitted; else none."""
    if hasattr(estimator, "predict_quantiles") and hasattr(estimator, "quantiles"):
        return tuple(float(level) for level in estimator.quantiles)
    inner = _inner(estimator)
    return () if inner is None else levels_of(inner)


def check_levels(asked: Any, fitted: Any) -> None:
    """Refuse a search that came to other quantiles than it began with."""
    if levels_of(asked) != levels_of(fitted):
        raise ValueError(
            f"The search began with quantiles {levels_of(asked)} and chose {levels_of(fitted)}, so "
            "that folds would differ in what they predict. Leave loss='quantile' and quantiles out "
            "of what is searched: set them, or another loss, in the estimator itself."
        )


def quantiles_from(fitted: Any, X: Any) -> Any:
    """Ask for quantiles, those of `levels_of`."""
    if hasattr(fitted, "predict_quantiles"):
        return fitted.predict_quantiles(X)
    inner = _inner(fitted)
    if isinstance(fitted, Pipeline):
        return quantiles_from(inner, fitted[:-1].transform(X) if len(fitted) > 1 else X)
    found = quantiles_from(inner, X)
    return _back(fitted, found) if isinstance(fitted, TransformedTargetRegressor) else found


def _inner(estimator: Any) -> Any:
    """Give what predicts within a pipeline, transformed target or search; None of all else."""
    if isinstance(estimator, Pipeline):
        return estimator.steps[-1][1]
    if isinstance(estimator, TransformedTargetRegressor):
        return getattr(estimator, "regressor_", estimator.regressor)
    if hasattr(estimator, "refit") and hasattr(estimator, "estimator"):
        return getattr(estimator, "best_estimator_", estimator.estimator)
    return None


def _back(fitted: TransformedTargetRegressor, scaled: Any) -> NDArray[np.float64]:
    """Bring quantiles of a transformed target to its unit, which keeps order where func rises."""
    scaled = np.asarray(scaled, dtype=np.float64)
    column = fitted.transformer_.inverse_transform(scaled.reshape(-1, 1))
    found = np.asarray(column, dtype=np.float64).reshape(scaled.shape)
    if (np.diff(found, axis=1) < 0).any():
        raise ValueError(
            "The inverse of this TransformedTargetRegressor falls where its quantiles rise, so "
            "that they would trade places. Give a func that rises, such as -1/y in place of 1/y."
        )
    return found
