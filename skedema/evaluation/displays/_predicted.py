"""Predictions as displays take them: of an evaluation, an estimator or arrays."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from skedema._drawing import Display
from skedema._one_outcome import classes_of
from skedema.evaluation._folds import probabilities
from skedema.evaluation._predictions import Predictions
from skedema.evaluation._tables import Bootstrap, Repeats
from skedema.evaluation.metrics._arrays import several_classes, two_classes
from skedema.evaluation.metrics._metric import SETTINGS
from skedema.evaluation.metrics._registry import find_metrics
from skedema.frames import check_same_rows


@dataclass(frozen=True)
class Predicted:
    """What estimators predict of patients whom they have not seen.

    Attributes
    ----------
    everything : mapping of str to sequence of Predictions
        By name of the estimator, one a repeat.
    classes : tuple
        All of them; of two, the positive one last.
    groups : ndarray of shape (n,)
        The patient of each row.
    random_state : int
        Of the bootstrap.
    """

    everything: Mapping[str, Repeats]
    classes: tuple[Any, ...]
    groups: NDArray[Any]
    random_state: int

    def chosen(self, pos_label: Any) -> list[int]:
        """List the classes to draw, each against the rest: one of two, or all of more."""
        if pos_label is None:
            return [1] if len(self.classes) == 2 else list(range(len(self.classes)))
        if pos_label not in self.classes:
            raise ValueError(f"pos_label={pos_label!r} is none of the classes {self.classes}.")
        return [self.classes.index(pos_label)]

    def words(self, k: int) -> str:
        """Say which class is meant."""
        if len(self.classes) == 2:
            return f"positive class {self.classes[k]!r}"
        return f"class {self.classes[k]!r} against the rest"

    def score(
        self, repeats: Repeats, metric: str, k: int, n_resamples: int, confidence: float
    ) -> dict[str, float]:
        """Give a figure with its interval: value, low, high."""
        settings = dict(SETTINGS)
        bootstrap = Bootstrap(self.groups, self.random_state, settings, n_resamples, confidence)
        (row,) = bootstrap.rows(repeats, find_metrics(metric), k)
        return {"value": row["pooled"], "low": row["low"], "high": row["high"]}


class PredictionDisplay(Display):
    """A display of predictions; subclasses say in `__init__` what they take besides."""

    @abstractmethod
    def __init__(self, predicted: Predicted, *, pos_label: Any = None) -> None: ...

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
        """Ask a fitted classifier for its predictions.

        Parameters
        ----------
        estimator : classifier
            Fitted, with ``predict_proba``.
        X : table or array-like of shape (n, n_features)
            Patients whom it has not seen.
        y : array-like of shape (n,)
            Their labels.
        name : str or None, default=None
            What it is called in the figure. None: its class.
        groups : array-like of shape (n,) or None, default=None
            The patient of each row; the bootstrap draws whole ones. None: each row is one.
        random_state : int, default=0
            Of the bootstrap.
        **options
            What the class takes besides, such as `pos_label`.

        Returns
        -------
        PredictionDisplay
            Of this class.

        Raises
        ------
        ValueError
            When y or `groups` belong to other rows of a pandas table.
        """
        check_same_rows(X, y=y, groups=groups)
        classes = classes_of(estimator)
        name = type(estimator).__name__ if name is None else name
        predictions = several_classes(
            y, probabilities(estimator, X, classes), estimator.predict(X), classes.tolist()
        )
        return cls(_of_one(predictions, classes, name, groups, random_state), **options)

    @classmethod
    def from_predictions(
        cls,
        y_true: Any,
        y_prob: Any,
        *,
        pos_label: Any = None,
        classes: Any = None,
        name: str = "classifier",
        groups: Any = None,
        random_state: int = 0,
        **options: Any,
    ) -> Self:
        """Take labels and probabilities.

        Parameters
        ----------
        y_true : array-like of shape (n,)
            Labels.
        y_prob : array-like of shape (n,), or (n, n_classes) of more than two
            Probabilities of the positive class, or of each class.
        pos_label : object, default=None
            The label of the positive class. None: of two classes 1 or True, of more each in turn.
        classes : array-like of shape (n_classes,) or None, default=None
            The class of each column of `y_prob`. None: those of `y_true` in order.
        name : str, default="classifier"
            What is written in the figure.
        groups : array-like of shape (n,) or None, default=None
            The patient of each row; the bootstrap draws whole ones. None: each row is one.
        random_state : int, default=0
            Of the bootstrap.
        **options
            What the class takes besides.

        Returns
        -------
        PredictionDisplay
            Of this class.

        Raises
        ------
        ValueError
            When there is no telling which class is the positive one, or lengths differ.
        """
        labels = np.unique(np.asarray(y_true))
        if np.ndim(y_prob) == 1:
            predictions = two_classes(y_true, y_prob, None, pos_label)
            positive = 1 if pos_label is None else pos_label
            rest = [each for each in labels.tolist() if each != positive]
            names = np.array([*(rest or ["another"]), positive], dtype=object)
        else:
            names = labels if classes is None else np.asarray(classes)
            predictions = several_classes(y_true, y_prob, None, names.tolist())
        predicted = _of_one(predictions, names, name, groups, random_state)
        return cls(predicted, pos_label=pos_label, **options)

    @classmethod
    def from_evaluation(cls, result: Any, **options: Any) -> Self:
        """Take all estimators of an evaluation; what its ``metrics`` do.

        Parameters
        ----------
        result : Evaluation
            What `evaluate` gave.
        **options
            What the class takes besides, such as `pos_label`.

        Returns
        -------
        PredictionDisplay
            Of this class.

        Raises
        ------
        ValueError
            When it is one of regressors.
        """
        result._need_classes(cls.__name__)
        predicted = Predicted(result._repeats, result.classes, result.groups, result.random_state)
        return cls(predicted, **options)


def _of_one(
    predictions: Predictions, classes: NDArray[Any], name: str, groups: Any, random_state: int
) -> Predicted:
    n_rows = len(predictions.rows)
    groups = np.arange(n_rows) if groups is None else np.asarray(groups)
    if groups.shape != (n_rows,):
        raise ValueError(f"groups has shape {groups.shape}, but there are {n_rows} rows.")
    return Predicted({name: [predictions]}, tuple(classes.tolist()), groups, random_state)
