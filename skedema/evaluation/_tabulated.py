"""Tables of what an evaluation came to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from skedema._registry import nearest_name
from skedema.evaluation._forms import Form, check_form, in_form
from skedema.evaluation._predictions import positive_class
from skedema.evaluation._subgroups import parts_of, subgroup_table, values_of
from skedema.evaluation._tables import (
    Bootstrap,
    Repeats,
    class_table,
    comparison_table,
    confusion_table,
    decision_table,
    fold_table,
    repeats_by_estimator,
    summary_table,
    written_table,
)
from skedema.evaluation.metrics._metric import Metric
from skedema.evaluation.metrics._registry import find_metrics
from skedema.frames import check_same_rows


class Tabulated:
    """The tables of an `Evaluation`, whose fields these are."""

    predictions: pd.DataFrame
    folds: pd.DataFrame
    groups: NDArray[Any]
    classes: tuple[Any, ...]
    covariates: pd.DataFrame
    random_state: int
    metric_names: tuple[str, ...]
    specificity: float
    threshold: float
    quantiles: tuple[float, ...]
    kind: str

    @property
    def of_numbers(self) -> bool:
        """Whether numbers are predicted, and no classes."""
        return not self.classes

    @property
    def names(self) -> list[str]:
        """Names of the estimators, in order."""
        return [str(name) for name in self.folds["estimator"].unique()]

    @property
    def settings(self) -> dict[str, Any]:
        """What figures are computed at: specificity, threshold and levels of quantiles."""
        names = ("specificity", "threshold", "quantiles")
        return {name: getattr(self, name) for name in names}

    @cached_property
    def per_fold(self) -> pd.DataFrame:
        """One row a fit: the columns of `folds`, and a column a metric; NaN where not defined."""
        return self._said(self._per_fold(self._find(None)))

    def summary(
        self,
        metrics: Iterable[str] | None = None,
        *,
        n_resamples: int = 2000,
        confidence: float = 0.95,
    ) -> pd.DataFrame:
        """Tabulate figures with intervals.

        Parameters
        ----------
        metrics : iterable of str or None, default=None
            Names of `skedema.evaluation.metrics.METRICS`, of `register_metric` or of scikit-learn's
            scorers. None: those that `evaluate` was given.
        n_resamples : int, default=2000
            Of the bootstrap.
        confidence : float, default=0.95
            Of the interval.

        Returns
        -------
        DataFrame
            One row an estimator and metric: estimator, metric, pooled, low, high, fold_mean,
            fold_sd, and n_folds, the folds in which it is defined. An interval by the bootstrap is
            NaN where the figure is undefined in more than 5 % of the resamples, and where it is the
            same in all.

        Notes
        -----
        Which interval it is hangs on the metric alone, not on how it came out:

        - accuracy, precision, recall, specificity and F1: Wilson's (1927), of as many rows as tell
          something by themselves; see `skedema.evaluation.intervals.proportion_interval`;
        - AUC: method 5 of Newcombe (2006); see `skedema.evaluation.intervals.auc_interval`;
        - balanced accuracy: from Wilson's of each class's recall (Zou and Donner 2008);
        - others, such as Brier score, calibration and net benefit: percentiles of the bootstrap.
          Average precision and sensitivity at a specificity are means over positives and take
          Wilson's at 0 and 1, where all resamples are the same;
        - of more than two classes, means over classes: as far as the bootstrap's and that of Zou
          and Donner reach.
        """
        chosen = self._find(metrics)
        bootstrap = self._bootstrap(n_resamples, confidence)
        table = summary_table(self._repeats, self._over_folds(chosen), chosen, bootstrap)
        return self._said(table)

    def table(
        self,
        metrics: Iterable[str] | None = None,
        *,
        digits: int = 3,
        n_resamples: int = 2000,
        confidence: float = 0.95,
        form: Form = "frame",
    ) -> Any:
        """Write the summary as papers do: estimators by metrics.

        Parameters
        ----------
        metrics : iterable of str or None, default=None
            As in `summary`.
        digits : int, default=3
            After the point.
        n_resamples, confidence : int and float, default=2000 and 0.95
            As in `summary`.
        form : {"frame", "markdown", "latex", "html"}, default="frame"
            A DataFrame of texts, or a text to be put into a paper or page, with names escaped. The
            LaTeX is for the package booktabs.

        Returns
        -------
        DataFrame or str
            A row an estimator, a column a metric; a cell is text, such as "0.812 (0.741 to
            0.874)": pooled and interval, without one where it is not defined.

        Raises
        ------
        ValueError
            When there is no such metric or form.
        """
        check_form(form)
        found = self.summary(metrics, n_resamples=n_resamples, confidence=confidence)
        return in_form(self._said(written_table(found, digits)), form)

    def per_class(
        self,
        metrics: Iterable[str] | None = None,
        *,
        n_resamples: int = 2000,
        confidence: float = 0.95,
    ) -> pd.DataFrame:
        """Tabulate figures of each class against the rest.

        Parameters
        ----------
        metrics : iterable of str or None, default=None
            As in `summary`; scorers are of the two classes "this one" and "another".
        n_resamples, confidence : int and float, default=2000 and 0.95
            As in `summary`.

        Returns
        -------
        DataFrame
            One row an estimator, class and metric: estimator, class, n_rows (of that class),
            metric, pooled, low, high. Here each class in turn is the positive one.
        """
        chosen = self._find(metrics)
        self._need_classes("per_class")
        bootstrap = self._bootstrap(n_resamples, confidence)
        return class_table(self._repeats, self.classes, chosen, bootstrap)

    def confusion_matrix(self) -> pd.DataFrame:
        """Count rows by what they are and what they are predicted to be.

        Returns
        -------
        DataFrame
            Index estimator and label; a column a predicted class. Of several repeats the mean.
        """
        self._need_classes("confusion_matrix")
        return self._said(confusion_table(self._repeats, self.classes))

    def compare(
        self,
        reference: str,
        metric: str | None = None,
        *,
        n_resamples: int = 2000,
        confidence: float = 0.95,
    ) -> pd.DataFrame:
        """Compare all other estimators with one, on the same patients and folds.

        Parameters
        ----------
        reference : str
            Its name.
        metric : str or None, default=None
            Which figure. None: ``"roc_auc"``, of numbers ``"mae"``.
        n_resamples, confidence : int and float, default=2000 and 0.95
            As in `summary`.

        Returns
        -------
        DataFrame
            One row an estimator. ``difference`` is its pooled figure less that of the reference,
            with ``low`` and ``high`` from a bootstrap in which both have the same patients (where
            no resample changes it, from the intervals of both: Zou and Donner 2008);
            ``delong_p`` of DeLong's test of pooled AUCs (else NaN, and where repeats do not test
            the same rows, or where there are more than two classes); ``fold_difference`` and
            ``fold_p`` of the corrected resampled t test over folds. ``delong_p_holm`` and
            ``fold_p_holm`` are adjusted by Holm's method for the ``n_comparisons`` of this table;
            intervals are not adjusted, and neither is anything for the further tables that you
            look at. ``greater_is_better`` says which sign is that of the better one; None is a
            figure that is best somewhere between.

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
        (chosen,) = self._find([metric or self.first_metric])
        bootstrap = self._bootstrap(n_resamples, confidence)
        per_fold = self._over_folds([chosen])
        return self._said(comparison_table(self._repeats, per_fold, reference, chosen, bootstrap))

    def subgroups(
        self,
        by: Any,
        *,
        bins: Sequence[float] | None = None,
        metrics: Iterable[str] | None = None,
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
        metrics : iterable of str or None, default=None
            Which figures. None: AUC, recall, specificity and Brier score; of numbers MAE, RMSE, R2
            and, where there are intervals, their coverage.
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
            n_positive (rows; of two classes), metric, pooled, low, high, and note, which says why
            there is no figure. Rows without a value are the subgroup "missing".

        Raises
        ------
        ValueError
            When there is no such name, values belong to other rows of a pandas table or stand in
            another order, or lie outside of the bins.
        """
        check_same_rows(self, by=by)
        parts = parts_of(values_of(by, self.covariates), bins)
        bootstrap = self._bootstrap(n_resamples, confidence)
        chosen = self._find(self.few_metrics if metrics is None else metrics)
        return self._said(subgroup_table(self._repeats, parts, chosen, min_patients, bootstrap))

    def decision_curve(self, thresholds: Iterable[float], *, pos_label: Any = None) -> pd.DataFrame:
        """Tabulate the net benefit over thresholds, beside treating all and treating none.

        Parameters
        ----------
        thresholds : iterable of float
            Probabilities from which on one would treat, below 1.
        pos_label : object, default=None
            The class that would be treated. None is the positive one; of more than two classes it
            has to be named.

        Returns
        -------
        DataFrame
            Index threshold; a column an estimator (pooled, the mean over repeats), and the columns
            "treat all" and "treat none". See `skedema.evaluation.metrics.net_benefit`.

        Raises
        ------
        ValueError
            When there is no such class, or it has to be named.
        """
        self._need_classes("decision_curve")
        return decision_table(self._repeats, self.classes, pos_label, thresholds)

    @property
    def first_metric(self) -> str:
        """The figure that matters most where none is named."""
        return "mae" if self.of_numbers else "roc_auc"

    @property
    def few_metrics(self) -> tuple[str, ...]:
        """A few that tell most."""
        if not self.of_numbers:
            return "roc_auc", "recall", "specificity", "brier"
        return ("mae", "rmse", "r2", "coverage")[: 4 if self.quantiles else 3]

    def _find(self, metrics: Iterable[str] | None) -> tuple[Metric, ...]:
        names = self.metric_names if metrics is None else metrics
        return find_metrics(names, numbers=self.of_numbers)

    def _need_classes(self, what: str) -> None:
        if self.of_numbers:
            raise ValueError(f"{what} is for classes, and these estimators predict numbers.")

    @cached_property
    def _repeats(self) -> dict[str, Repeats]:
        return repeats_by_estimator(self.predictions, self.names, self.classes)

    def _per_fold(self, metrics: Sequence[Metric]) -> pd.DataFrame:
        return fold_table(self.folds, self.predictions, self.classes, metrics, self.settings)

    def _over_folds(self, metrics: Sequence[Metric]) -> pd.DataFrame:
        """Give `_per_fold`; nothing where there are none."""
        table = self._per_fold(metrics)
        return table.iloc[:0] if self.kind == "external" else table

    def _bootstrap(self, n_resamples: int, confidence: float) -> Bootstrap:
        return Bootstrap(self.groups, self.random_state, self.settings, n_resamples, confidence)

    def _said(self, table: pd.DataFrame) -> pd.DataFrame:
        return table.rename_axis(columns=positive_class(self.classes))
