"""Fitted models, and the patients whom each of them has not seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skedema._one_outcome import classes_of, predicts_numbers
from skedema.frames import check_same_rows
from skedema.frames.parts import part_of
from skedema.inspection._scores import Floats, Score
from skedema.scans._remarks import unheard

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class HeldOut:
    """Fitted classifiers or regressors, and the patients to ask each of them about.

    Attributes
    ----------
    estimators : sequence of classifiers or regressors
        Fitted.
    X : table
        All patients.
    label : ndarray of shape (n,)
        Their classes, as positions in `classes`, or their numbers.
    classes : ndarray or None
        All of them; None of numbers.
    test_rows : sequence of ndarray of int
        The rows of X that each estimator has not seen.
    repeats : ndarray of int
        Of each estimator. A score is of all rows of a repeat together, and the mean over repeats.
    patient : ndarray of int of shape (n,)
        Whose each row is.
    """

    estimators: Sequence[Any]
    X: Any
    label: NDArray[Any]
    classes: NDArray[Any] | None
    test_rows: Sequence[Rows]
    repeats: NDArray[np.intp]
    patient: NDArray[np.intp]

    @classmethod
    def of(
        cls,
        estimators: Sequence[Any],
        X: Any,
        y: Any,
        test_rows: Sequence[Any] | None = None,
        groups: Any = None,
        repeats: Any = None,
    ) -> Self:
        """Check and gather; without `test_rows` every estimator is asked about all rows."""
        check_same_rows(X, y=y, groups=groups)
        estimators = list(estimators)
        X = np.asarray(X) if isinstance(X, list) else X
        y = np.asarray(y)
        every = np.arange(len(y))
        rows = [every] * len(estimators) if test_rows is None else list(map(np.asarray, test_rows))
        if len(rows) != len(estimators) or not estimators:
            raise ValueError(
                f"There are {len(estimators)} estimators and test rows of {len(rows)}: give one "
                "array of rows for each."
            )
        classes, label = _outcomes(estimators[0], y)
        patient = every if groups is None else pd.factorize(np.asarray(groups))[0]
        of_repeat = np.zeros(len(rows), int) if repeats is None else np.asarray(repeats)
        return cls(estimators, X, label, classes, rows, of_repeat, patient)

    @property
    def of_numbers(self) -> bool:
        """Whether numbers are predicted."""
        return self.classes is None

    def ask_as_they_are(self, fold: int) -> Floats:
        """Give the probabilities that one estimator gives of its patients; (n, n_classes).

        Of numbers, what it predicts; (n, 1).
        """
        with part_of(self.X, self.test_rows[fold]) as part:
            return self._asked(fold, part)

    def ask(self, fold: int, X: Any) -> Floats:
        """Give those of other values, in silence: what is odd was told of the table as it is."""
        with unheard():
            return self._asked(fold, X)

    def _asked(self, fold: int, X: Any) -> Floats:
        estimator = self.estimators[fold]
        if self.classes is None:
            return np.asarray(estimator.predict(X), dtype=np.float64).reshape(-1, 1)
        found = np.asarray(estimator.predict_proba(X), dtype=np.float64)
        order = [classes_of(estimator).tolist().index(each) for each in self.classes]
        return found[:, order]

    def score(self, score: Score, probabilities: Sequence[Floats]) -> tuple[float, Floats]:
        """Score what the estimators say of their patients, and each patient's share in it.

        Parameters
        ----------
        score : Score
            How.
        probabilities : sequence of ndarray of shape (n_test, n_classes)
            Of each estimator.
        """
        values, shares = [], []
        for folds in self._by_repeat():
            rows = np.concatenate([self.test_rows[fold] for fold in folds])
            told = np.concatenate([probabilities[fold] for fold in folds])
            value, share = score.shares(self.label[rows], told)
            values.append(value)
            shares.append(np.bincount(self.patient[rows], share, minlength=self.n_patients))
        return float(np.mean(values)), np.mean(shares, axis=0)[self._asked_about()]

    @property
    def n_patients(self) -> int:
        """How many patients there are, asked about or not."""
        return int(self.patient.max()) + 1

    def _asked_about(self) -> Rows:
        return np.unique(self.patient[np.concatenate(self.test_rows)])

    def _by_repeat(self) -> Iterator[Rows]:
        for repeat in np.unique(self.repeats):
            yield np.flatnonzero(self.repeats == repeat)


def _outcomes(estimator: Any, y: NDArray[Any]) -> tuple[NDArray[Any] | None, NDArray[Any]]:
    """Give the classes and the position of each label in them; of numbers None and these."""
    if predicts_numbers(estimator):
        return None, y.astype(np.float64)
    classes = classes_of(estimator)
    unknown = set(np.unique(y).tolist()) - set(classes.tolist())
    if unknown:
        raise ValueError(f"y holds {sorted(unknown, key=repr)}, which no training patient had.")
    return classes, np.array([classes.tolist().index(each) for each in y.tolist()])
