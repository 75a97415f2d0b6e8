"""An estimator of patients whose target is a number."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.metaestimators import available_if

from skedema._torch_state import own_torch_state
from skedema._training.cohort import Cohort
from skedema._training.continuous import (
    Numbers,
    center_and_scale,
    number_target,
    numbers_of,
    read_numbers,
    refuse_constant,
)
from skedema._training.estimator import FusedEstimator
from skedema._training.held_out import HeldOutNumbers
from skedema._training.target import Target
from skedema.frames import Table, check_same_rows


def _has_quantiles(estimator: NumberEstimator) -> bool:
    kind = getattr(estimator, "_kind", None)
    if (estimator.loss if kind is None else kind.name) != "quantile":
        raise ValueError('predict_quantiles needs a model that was fitted with loss="quantile".')
    return True


class NumberEstimator(RegressorMixin, FusedEstimator):
    """What is about the target in `AttentionMixerRegressor`, which has the parameters."""

    loss: str
    huber_delta: float
    quantiles: Any
    target_center_: float
    target_scale_: float
    _kind: Numbers

    @own_torch_state()
    def predict(self, X: Any) -> np.ndarray:
        """Predict the number of each patient.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Patients, with the columns of `fit`; any value and any scan may be missing.

        Returns
        -------
        ndarray of float64 of shape (n_samples,)
            In the unit of y.

        Raises
        ------
        ValueError
            When the table cannot be used; the message names column, row and remedy.
        ScanError
            When a scan is not there or unreadable.

        Warns
        -----
        UserWarning
            As `AttentionMixerClassifier.predict_proba`.
        """
        predicted = self._outputs(X, self._predicted)
        return self._kind.answer(predicted)

    @available_if(_has_quantiles)  # type: ignore[untyped-decorator]
    @own_torch_state()
    def predict_quantiles(self, X: Any) -> np.ndarray:
        """Predict the `quantiles` of each patient, with ``loss="quantile"``.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Patients, with the columns of `fit`.

        Returns
        -------
        ndarray of float64 of shape (n_samples, n_quantiles)
            In the unit of y, in ascending order along each row.

        Raises
        ------
        AttributeError
            With another loss.
        ValueError
            As `predict`.
        ScanError
            As `predict`.
        """
        return self._outputs(X, self._predicted)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Give the coefficient of determination, R2.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Patients, with the columns of `fit`.
        y : array-like of shape (n_samples,)
            Their numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the patients.

        Returns
        -------
        float
            1 less the squared errors over those of the mean of y.

        Raises
        ------
        ValueError
            When y or `sample_weight` belong to other rows of a pandas table, or stand in another
            order; when the table cannot be used.
        """
        check_same_rows(X, y=y, sample_weight=sample_weight)
        return float(super().score(X, y, sample_weight))

    def _predicted(self, outputs: np.ndarray) -> np.ndarray:
        """Bring outputs, (n, n_outputs) or those of members, to the unit of y."""
        of_each = np.sort(outputs, axis=-1) if self._kind.quantiles else outputs
        scaled = of_each.mean(axis=1) if of_each.ndim == 3 else of_each
        return self._unscaled(scaled)

    def _unscaled(self, scaled: np.ndarray) -> np.ndarray:
        return np.asarray(self.target_center_ + self.target_scale_ * scaled)

    def _read_y(self, y: Any, table: Table) -> np.ndarray:
        return read_numbers(y, table)

    def _begin_target(self, labels: np.ndarray, announced: Any) -> None:
        refuse_constant(labels)
        self._kind = self._asked

    @property
    def _asked(self) -> Numbers:
        return numbers_of(self.loss, self.huber_delta, self.quantiles)

    def _target(self, cohort: Cohort) -> Target:
        if self._kind != self._asked:
            raise ValueError(
                f"A fit that goes on keeps its loss, {self._kind.name!r}, and what belongs to it: "
                "loss, huber_delta or quantiles were set to something else. Set them back, or "
                "begin anew with a clone."
            )
        return number_target(self._kind, cohort.labels, cohort.weight)

    def _scaled(self, target: Target, train: np.ndarray, *, resume: bool = False) -> Target:
        if not resume:
            robust = self._kind.name != "squared_error"
            learned = target.take(train)
            self.target_center_, self.target_scale_ = center_and_scale(
                learned.values, learned.weight, robust=robust
            )
        return replace(target, values=(target.values - self.target_center_) / self.target_scale_)

    def _of_held_out(
        self, predicted: np.ndarray, y: np.ndarray, weight: np.ndarray
    ) -> HeldOutNumbers:
        predicted = self._unscaled(predicted)
        quantiles = predicted if self._kind.quantiles else None
        return HeldOutNumbers(self._kind.answer(predicted), quantiles, y, weight)
