"""What an evaluation came to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skedema._registry import nearest_name
from skedema.clinical.leaks import Leak
from skedema.evaluation._tables import (
    comparison_table,
    fold_figures,
    repeats_of,
    subgroup_table,
    summary_table,
)
from skedema.evaluation.metrics import METRICS, check_names, net_benefit
from skedema.frames import check_same_rows, counted

__all__ = ["Evaluation"]


@dataclass(frozen=True, repr=False)
class Evaluation:
    """Predictions out of fold of several estimators, and tables of them.

    Made by `evaluate`. Each figure comes in two ways. **Pooled**: all rows out of fold together,
    each predicted by the model that did not see it; of several repeats, the mean. **Per fold**:
    mean and standard deviation over folds, which says how much a single split varies. Pooled AUCs
    rank predictions of different models against each other, and are a little lower than the mean
    over folds where these are calibrated differently.

    Intervals are percentiles of a bootstrap that draws patients with replacement, with all their
    rows and repeats. They tell what other patients would change, with the models as they are, not
    what other training samples would.

    Parameters
    ----------
    predictions : DataFrame
        One row a prediction: estimator, repeat, fold, row (position in X), label, probability (of
        the positive class), predicted (what the estimator's own ``predict`` says).
    folds : DataFrame
        One row a fit: estimator, repeat, fold, n_train, n_test, fit_seconds, predict_seconds.
    groups : ndarray of shape (n,)
        The patient of each row of X.
    classes : tuple of two
        The negative and the positive class.
    covariates : DataFrame
        Columns that `subgroups` may be asked for, one row a row of X.
    random_state : int
        Of the bootstrap.
    specificity : float, default=0.9
        Of `sensitivity_at_specificity`; ``dataclasses.replace(result, specificity=0.95)`` gives
        the same evaluation at another one.
    threshold : float, default=0.5
        Of `net_benefit`.
    index : pandas.Index or None, default=None
        The row labels of X, where it is a pandas table.
    leaks : tuple of Leak, default=()
        Columns of X that may tell the answer, with what speaks for it; ``str(leak)`` says both.

    See Also
    --------
    evaluate : Makes it.

    Notes
    -----
    Accuracy, balanced accuracy, precision, recall, specificity and F1 count what the estimator's
    own ``predict`` says. That is a probability of at least 0.5 for most, and the tuned threshold
    of one that tunes it, such as `TunedThresholdClassifierCV`, which it does on its training part.
    """

    predictions: pd.DataFrame
    folds: pd.DataFrame
    groups: NDArray[Any]
    classes: tuple[Any, Any]
    covariates: pd.DataFrame
    random_state: int
    specificity: float = 0.9
    threshold: float = 0.5
    index: pd.Index | None = None
    leaks: tuple[Leak, ...] = ()

    @property
    def names(self) -> list[str]:
        """Names of the estimators, in order."""
        return [str(name) for name in self.folds["estimator"].unique()]

    @property
    def settings(self) -> dict[str, float]:
        """What figures are computed at, as keywords of `skedema.evaluation.metrics.figures`."""
        return {"specificity": self.specificity, "threshold": self.threshold}

    @cached_property
    def per_fold(self) -> pd.DataFrame:
        """One row a fit: the columns of `folds`, and a column a metric; NaN where not defined."""
        found = pd.DataFrame(list(fold_figures(self, METRICS)), index=self.folds.index)
        return pd.concat([self.folds, found], axis=1)

    def summary(
        self,
        metrics: Iterable[str] = METRICS,
        *,
        n_resamples: int = 2000,
        confidence: float = 0.95,
    ) -> pd.DataFrame:
        """Tabulate figures with intervals.

        Parameters
        ----------
        metrics : iterable of str, default=METRICS
            Which; see `skedema.evaluation.metrics.METRICS`.
        n_resamples : int, default=2000
            Of the bootstrap.
        confidence : float, default=0.95
            Of the interval.

        Returns
        -------
        DataFrame
            One row an estimator and metric: estimator, metric, pooled, low, high, fold_mean,
            fold_sd, and n_folds, the folds in which it is defined. The interval is NaN where the
            figure is undefined in more than 5 % of the resamples, and where it is the same in all,
            as the accuracy is where every patient is predicted right, or every one wrong.
        """
        return summary_table(self, check_names(metrics), n_resamples, confidence)

    def compare(
        self,
        reference: str,
        metric: str = "roc_auc",
        *,
        n_resamples: int = 2000,
        confidence: float = 0.95,
    ) -> pd.DataFrame:
        """Compare all other estimators with one, on the same patients and folds.

        Parameters
        ----------
        reference : str
            Its name.
        metric : str, default="roc_auc"
            Which figure. Of Brier score and log loss, lower is better.
        n_resamples : int, default=2000
            Of the bootstrap.
        confidence : float, default=0.95
            Of the interval.

        Returns
        -------
        DataFrame
            One row an estimator. ``difference`` is its pooled figure less that of the reference,
            with ``low`` and ``high`` from a bootstrap in which both have the same patients;
            ``delong_p`` of DeLong's test of pooled AUCs (else NaN, and where repeats do not test
            the same rows); ``fold_difference`` and ``fold_p`` of the corrected resampled t test
            over folds. ``delong_p_holm`` and ``fold_p_holm`` are adjusted by Holm's method for the
            ``n_comparisons`` of this table; intervals are not adjusted, and neither is anything
            for the further tables that you look at.

        Raises
        ------
        ValueError
            When there is no such estimator or metric, or nothing to compare with.
        """
        if reference not in self.names:
            raise ValueError(
                f"There is no estimator {reference!r}. {nearest_name(reference, self.names)}"
            )
        if len(self.names) < 2:
            raise ValueError("There is one estimator only, and nothing to compare it with.")
        (metric,) = check_names([metric])
        return comparison_table(self, reference, metric, n_resamples, confidence)

    def subgroups(
        self,
        by: Any,
        *,
        bins: Sequence[float] | None = None,
        metrics: Iterable[str] = ("roc_auc", "recall", "specificity", "brier"),
        min_patients: int = 10,
        n_resamples: int = 2000,
        confidence: float = 0.95,
    ) -> pd.DataFrame:
        """Tabulate figures in parts of the cohort.

        Parameters
        ----------
        by : str or array-like of shape (n,)
            A name given to `evaluate` as one of `subgroups`, or a value for each row of X.
        bins : sequence of float or None, default=None
            Edges for numbers, such as ages: ``[0, 40, 60, np.inf]`` makes [0, 40), [40, 60) and
            [60, inf).
        metrics : iterable of str, default=("roc_auc", "recall", "specificity", "brier")
            Which figures.
        min_patients : int, default=10
            A subgroup of fewer is listed with its size and without figures.
        n_resamples : int, default=2000
            Of the bootstrap, which draws patients of the subgroup.
        confidence : float, default=0.95
            Of the interval.

        Returns
        -------
        DataFrame
            One row an estimator, subgroup and metric: estimator, subgroup, n_rows, n_patients,
            n_positive (rows), metric, pooled, low, high, and note, which says why there is no
            figure. Rows without a value are the subgroup "missing".

        Raises
        ------
        ValueError
            When there is no such name, values belong to other rows of a pandas table or stand in
            another order, or lie outside of the bins.
        """
        parts = _parts(self._values(by), bins)
        return subgroup_table(
            self, parts, check_names(metrics), min_patients, n_resamples, confidence
        )

    def decision_curve(self, thresholds: Iterable[float]) -> pd.DataFrame:
        """Tabulate the net benefit over thresholds, beside treating all and treating none.

        Parameters
        ----------
        thresholds : iterable of float
            Probabilities from which on one would treat, below 1.

        Returns
        -------
        DataFrame
            Index threshold; a column an estimator (pooled, the mean over repeats), and the columns
            "treat all" and "treat none". See `skedema.evaluation.metrics.net_benefit`.
        """
        at = [float(each) for each in thresholds]
        columns: dict[str, list[float]] = {}
        for name in self.names:
            repeats = repeats_of(self, name)
            columns[name] = [
                float(np.mean([net_benefit(r.label, r.probability, t) for r in repeats]))
                for t in at
            ]
        repeats = repeats_of(self, self.names[0])
        columns["treat all"] = [
            float(np.mean([net_benefit(r.label, np.ones(len(r.label)), t) for r in repeats]))
            for t in at
        ]
        columns["treat none"] = [0.0] * len(at)
        return pd.DataFrame(columns, index=pd.Index(at, name="threshold"))

    def _values(self, by: Any) -> NDArray[Any]:
        if isinstance(by, str):
            if by not in self.covariates.columns:
                known = nearest_name(by, self.covariates.columns)
                raise ValueError(
                    f"evaluate was given no subgroup {by!r}. {known} Or give a value for each row."
                )
            return np.asarray(self.covariates[by])
        check_same_rows(self, by=by)
        values = np.asarray(by)
        if values.shape != self.groups.shape:
            raise ValueError(
                f"by has shape {values.shape}, but there are {len(self.groups)} rows: give one "
                "value a row."
            )
        return values

    def __repr__(self) -> str:
        folds = self.folds[self.folds["estimator"] == self.names[0]]
        n_repeats = folds["repeat"].nunique()
        of_repeat = folds.groupby("repeat").size().unique()
        shape = f"{n_repeats} x {of_repeat[0]}" if len(of_repeat) == 1 else f"{len(folds)}"
        return (
            f"<Evaluation of {len(self.names)} estimators: {len(self.groups)} rows of "
            f"{len(set(self.groups.tolist()))} patients, {shape} folds>"
        )


def _parts(
    values: NDArray[Any], bins: Sequence[float] | None
) -> list[tuple[Any, NDArray[np.bool_]]]:
    """List the subgroups in order, with the rows of each."""
    missing = np.asarray(pd.isna(values), dtype=bool)
    parts: list[tuple[Any, NDArray[np.bool_]]]
    if bins is None:
        kept = pd.unique(pd.Series(values[~missing])).tolist()
        try:
            kept = sorted(kept)
        except TypeError:
            kept = sorted(kept, key=repr)
        parts = [(value, np.asarray(values == value, dtype=bool)) for value in kept]
    else:
        edges = np.asarray(bins, dtype=np.float64)
        if len(edges) < 2 or not (np.diff(edges) > 0).all():
            raise ValueError(f"bins must be two or more edges that increase, got {bins!r}.")
        numbers = np.where(missing, np.nan, values).astype(np.float64)
        outside = ~missing & ~((numbers >= edges[0]) & (numbers < edges[-1]))
        if outside.any():
            raise ValueError(
                f"{counted(int(outside.sum()), 'value lies', 'values lie')} outside of the bins, "
                f"such as {numbers[outside][0]:g}. Let bins begin at -np.inf or end at np.inf."
            )
        parts = [
            (f"[{low:g}, {high:g})", (numbers >= low) & (numbers < high))
            for low, high in pairwise(edges)
        ]
    if missing.any():
        parts.append(("missing", missing))
    return parts
