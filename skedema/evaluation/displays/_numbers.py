"""Predicted numbers as displays take them: of an evaluation, an estimator or arrays."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skedema._drawing import Display
from skedema.evaluation._folds import ask
from skedema.evaluation._predictions import NumberPredictions
from skedema.evaluation._quantiles import levels_of
from skedema.evaluation._tables import Repeats
from skedema.evaluation.statistics import patient_weights, percentile_interval
from skedema.frames import check_same_rows

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PredictedNumbers:
    """What estimators predict of patients whom they have not seen.

    Attributes
    ----------
    everything : mapping of str to sequence of NumberPredictions
        By name of the estimator, one a repeat.
    groups : ndarray of shape (n,)
        The patient of each row.
    random_state : int
        Of the bootstrap.
    quantiles : tuple of float
        The levels of predicted quantiles.
    """

    everything: Mapping[str, Repeats]
    groups: NDArray[Any]
    random_state: int
    quantiles: tuple[float, ...] = ()

    def sizes(self, repeats: Repeats) -> dict[str, int]:
        """Count the rows and patients of a repeat."""
        rows = repeats[0].rows
        return {"n_rows": len(rows), "n_patients": len(set(self.groups[rows].tolist()))}

    def drawn(
        self, repeats: Repeats, figures: Callable[[Any, Floats], Floats], n_resamples: int
    ) -> Floats:
        """Give figures, (..., k), in resamples of patients, the mean over repeats; (b, k)."""
        rows = np.unique(np.concatenate([each.rows for each in repeats]))
        codes = pd.factorize(self.groups[rows])[0]
        found = [
            np.mean(
                [figures(each, weight[:, np.searchsorted(rows, each.rows)]) for each in repeats],
                axis=0,
            )
            for weight in patient_weights(codes, n_resamples, self.random_state)
        ]
        return np.concatenate(found)

    def intervals(
        self,
        repeats: Repeats,
        figures: Callable[[Any, Floats], Floats],
        n_resamples: int,
        confidence: float,
    ) -> list[tuple[float, float]]:
        """Give the interval of each figure: percentiles of the bootstrap."""
        draws = self.drawn(repeats, figures, n_resamples)
        return [percentile_interval(each, confidence) for each in draws.T]


class NumberDisplay(Display):
    """A display of predicted numbers; subclasses say in `__init__` what they take besides."""

    @abstractmethod
    def __init__(self, predicted: PredictedNumbers) -> None: ...

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        name: str | None = None,
        groups: Any = None,
        random_state: int = 0,
        **options: Any,
    ) -> Self:
        """Ask a fitted regressor for its predictions.

        Parameters
        ----------
        estimator : regressor
            Fitted.
        X : table or array-like of shape (n, n_features)
            Patients whom it has not seen.
        y : array-like of shape (n,)
            Their numbers.
        name : str or None, default=None
            What it is called in the figure. None: its class.
        groups : array-like of shape (n,) or None, default=None
            The patient of each row. None: each row is one.
        random_state : int, default=0
            Of the bootstrap.
        **options
            What the class takes besides, such as `confidence`.

        Returns
        -------
        NumberDisplay
            Of this class.

        Raises
        ------
        ValueError
            When y or `groups` belong to other rows of a pandas table.
        """
        check_same_rows(X, y=y, groups=groups)
        found = ask(estimator, X, None)
        levels = levels_of(estimator)
        return cls.from_predictions(
            y,
            found.predicted,
            found.probability if levels else None,
            quantiles=levels,
            name=type(estimator).__name__ if name is None else name,
            groups=groups,
            random_state=random_state,
            **options,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_pred: Any,
        y_quantiles: Any = None,
        *,
        quantiles: Any = (),
        name: str = "regressor",
        groups: Any = None,
        random_state: int = 0,
        **options: Any,
    ) -> Self:
        """Take numbers that were observed and predicted.

        Parameters
        ----------
        y_true, y_pred : array-like of shape (n,)
            Observed and predicted.
        y_quantiles : array-like of shape (n, n_quantiles) or None, default=None
            Predicted quantiles, if there are any.
        quantiles : sequence of float, default=()
            Their levels.
        name : str, default="regressor"
            What is written in the figure.
        groups : array-like of shape (n,) or None, default=None
            The patient of each row. None: each row is one.
        random_state : int, default=0
            Of the bootstrap.
        **options
            What the class takes besides.

        Returns
        -------
        NumberDisplay
            Of this class.

        Raises
        ------
        ValueError
            When lengths differ, or a number is not finite.
        """
        observed, predicted = (np.asarray(each, dtype=np.float64) for each in (y_true, y_pred))
        n = len(observed)
        given = np.full((n, 1), np.nan) if y_quantiles is None else np.asarray(y_quantiles, float)
        if observed.shape != predicted.shape or observed.ndim != 1 or len(given) != n:
            raise ValueError(
                f"y_true has shape {observed.shape}, y_pred {predicted.shape}, quantiles "
                f"{given.shape}: one row a patient is needed."
            )
        if not (np.isfinite(observed).all() and np.isfinite(predicted).all()):
            raise ValueError("y_true and y_pred must hold finite numbers. Leave other rows out.")
        rows = np.arange(n)
        groups = rows if groups is None else np.asarray(groups)
        if groups.shape != (n,):
            raise ValueError(f"groups has shape {groups.shape}, but there are {n} rows.")
        repeat = NumberPredictions(rows, observed, given, predicted)
        everything = {name: [repeat]}
        return cls(PredictedNumbers(everything, groups, random_state, tuple(quantiles)), **options)

    @classmethod
    def from_evaluation(cls, result: Any, **options: Any) -> Self:
        """Take all estimators of an evaluation; what its ``metrics`` do.

        Parameters
        ----------
        result : Evaluation
            What `evaluate` gave, of regressors.
        **options
            What the class takes besides.

        Returns
        -------
        NumberDisplay
            Of this class.

        Raises
        ------
        ValueError
            When it is one of classifiers.
        """
        if not result.of_numbers:
            raise ValueError(f"{cls.__name__} is for numbers, and these estimators give classes.")
        where = (result.groups, result.random_state, result.quantiles)
        return cls(PredictedNumbers(result._repeats, *where), **options)
