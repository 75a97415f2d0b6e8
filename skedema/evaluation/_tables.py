"""Tables of predictions out of fold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skedema.evaluation._predictions import Predictions, predictions_of
from skedema.evaluation.metrics._intervals import of_difference, of_mean
from skedema.evaluation.metrics._metric import Metric, measured
from skedema.evaluation.metrics.utility import net_benefit
from skedema.evaluation.statistics import (
    PairedTest,
    corrected_resampled_t,
    delong_test,
    holm,
    patient_weights,
    percentile_interval,
)

#: Lines of a decision curve that are no estimators.
TREAT_ALL, TREAT_NONE = "treat all", "treat none"

Floats = NDArray[np.float64]
Repeats = Sequence[Predictions]


@dataclass(frozen=True)
class Bootstrap:
    """How figures are computed, and which patients they are drawn from."""

    groups: NDArray[Any]
    random_state: int
    settings: Mapping[str, Any]
    n_resamples: int
    confidence: float

    def rows(
        self, repeats: Repeats, metrics: Sequence[Metric], against_rest: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """Give each figure with its interval.

        That of a mean over classes reaches as far as that of its classes and as the bootstrap:
        these figures depend on each other, which only draws of patients know.
        """
        over_classes = against_rest is None and repeats[0].n_classes > 2
        points = {each.name: self.pooled(repeats, each, against_rest) for each in metrics}
        published = {
            each.name: self._published(each, points[each.name], repeats, against_rest)
            for each in metrics
        }
        due = [m for m in metrics if published[m.name] is None or (over_classes and m.macro)]
        draws = self.draws(repeats, due, against_rest) if due else {}
        for metric in metrics:
            point = points[metric.name]
            low, high = published[metric.name] or (np.nan, np.nan)
            if metric.name in draws:
                drawn = self._percentiles(metric, point, draws[metric.name])
                low, high = float(np.fmin(low, drawn[0])), float(np.fmax(high, drawn[1]))
            yield {"metric": metric.name, "pooled": point, "low": low, "high": high}

    def pooled(self, repeats: Repeats, metric: Metric, against_rest: int | None = None) -> float:
        """Give the figure of all rows together, the mean over repeats."""
        found = [
            measured(metric, each, np.ones(len(each.rows)), self.settings, against_rest)
            for each in repeats
        ]
        return float(np.mean(found))

    def draws(
        self, repeats: Repeats, metrics: Sequence[Metric], against_rest: int | None = None
    ) -> dict[str, Floats]:
        """Give the same in resamples of patients, who bring their rows of all repeats.

        Estimators on the same rows get the same resamples.
        """
        rows = np.unique(np.concatenate([each.rows for each in repeats]))
        codes = pd.factorize(self.groups[rows])[0]
        found: dict[str, list[Floats]] = {metric.name: [] for metric in metrics}
        for weight in patient_weights(codes, self.n_resamples, self.random_state):
            values: dict[str, list[Floats]] = {metric.name: [] for metric in metrics}
            for each in repeats:
                drawn = weight[:, np.searchsorted(rows, each.rows)]
                for metric in metrics:
                    figure = measured(metric, each, drawn, self.settings, against_rest)
                    values[metric.name].append(figure)
            for metric in metrics:
                found[metric.name].append(np.mean(values[metric.name], axis=0))
        return {name: np.concatenate(values) for name, values in found.items()}

    def of_difference(
        self, metric: Metric, first: tuple[Repeats, Floats], second: tuple[Repeats, Floats]
    ) -> tuple[float, float]:
        """Give the interval of a paired difference, from figures with their draws.

        Where no draw changes it, as between two that are right of all, it comes from the interval
        of each: that there is none is more than a few patients tell.
        """
        draws = first[1] - second[1]
        defined = draws[~np.isnan(draws)]
        if metric.interval is not None and len(defined) and np.ptp(defined) == 0:
            one, other = (next(self.rows(repeats, [metric])) for repeats, _ in (first, second))
            together = np.ptp(first[1][~np.isnan(draws)]) > 0  # both vary, and alike
            return of_difference(one, other, float(together))
        return percentile_interval(draws, self.confidence)

    def _published(
        self, metric: Metric, point: float, repeats: Repeats, against_rest: int | None
    ) -> tuple[float, float] | None:
        """Give the metric's own interval; None where it has none."""
        if metric.interval is None or np.isnan(point):
            return None
        if against_rest is not None or not metric.macro or repeats[0].n_classes == 2:
            return metric.interval(point, self._seen(repeats, against_rest), self.confidence)
        parts = []
        for k in range(repeats[0].n_classes):
            of_class = self.pooled(repeats, metric, k)
            found = metric.interval(of_class, self._seen(repeats, k), self.confidence)
            if found is None:
                return None
            parts.append((of_class, found))
        return of_mean(point, parts)

    def _seen(self, repeats: Repeats, against_rest: int | None) -> list[tuple[NDArray[Any], ...]]:
        patients = pd.factorize(self.groups)[0]
        return [
            (
                *(each.whole() if against_rest is None else each.against_rest(against_rest)),
                each.rows,
                patients[each.rows],
            )
            for each in repeats
        ]

    def _percentiles(self, metric: Metric, point: float, draws: Floats) -> tuple[float, float]:
        """Give the interval of the bootstrap; NaN where it is not defined, or no patient differs.

        What is the same of all patients is so in each resample, such as a net benefit of 0 where
        nobody reaches the threshold. That it would be of all others, too, is more than some tell.
        """
        if np.isnan(point) or (draws == point).all():
            return np.nan, np.nan
        return percentile_interval(draws, self.confidence)


def repeats_by_estimator(
    table: pd.DataFrame, names: Sequence[str], classes: Sequence[Any]
) -> dict[str, Repeats]:
    """Split predictions by estimator and repeat, rows in order."""
    parts = table.sort_values(["repeat", "row"]).groupby("estimator")
    return {
        name: [predictions_of(part, classes) for _, part in parts.get_group(name).groupby("repeat")]
        for name in names
    }


def n_rows_of(repeats: Repeats, k: int) -> int:
    """Count the rows of a class."""
    return len(np.unique(np.concatenate([each.rows[each.label == k] for each in repeats])))


def fold_table(
    folds: pd.DataFrame,
    table: pd.DataFrame,
    classes: Sequence[Any],
    metrics: Sequence[Metric],
    settings: Mapping[str, Any],
) -> pd.DataFrame:
    """Add the figures of each fold to a table of folds."""
    keys = ["estimator", "repeat", "fold"]
    parts = dict(iter(table.groupby(keys)))
    rows = []
    for key in folds[keys].itertuples(index=False, name=None):
        part = predictions_of(parts[key], classes)
        weight = np.ones(len(part.rows))
        rows.append({m.name: measured(m, part, weight, settings) for m in metrics})
    return pd.concat([folds, pd.DataFrame(rows, index=folds.index)], axis=1)


def summary_table(
    everything: Mapping[str, Repeats],
    per_fold: pd.DataFrame,
    metrics: Sequence[Metric],
    bootstrap: Bootstrap,
) -> pd.DataFrame:
    """Tabulate each figure of each estimator."""
    rows: list[dict[str, Any]] = []
    for estimator, repeats in everything.items():
        for row in bootstrap.rows(repeats, metrics):
            folds = _fold_values(per_fold, estimator, row["metric"])
            defined = folds[~np.isnan(folds)]
            over_folds = {
                "fold_mean": defined.mean() if len(defined) else np.nan,
                "fold_sd": defined.std(ddof=1) if len(defined) > 1 else np.nan,
                "n_folds": len(defined),
            }
            rows.append({"estimator": estimator, **row, **over_folds})
    return pd.DataFrame(rows)


def class_table(
    everything: Mapping[str, Repeats],
    classes: Sequence[Any],
    metrics: Sequence[Metric],
    bootstrap: Bootstrap,
) -> pd.DataFrame:
    """Tabulate each figure of each estimator, of each class against the rest."""
    rows = [
        {"estimator": estimator, "class": name, "n_rows": n_rows_of(repeats, k), **row}
        for estimator, repeats in everything.items()
        for k, name in enumerate(classes)
        for row in bootstrap.rows(repeats, metrics, against_rest=k)
    ]
    return pd.DataFrame(rows)


def confusion_table(everything: Mapping[str, Repeats], classes: Sequence[Any]) -> pd.DataFrame:
    """Count rows by label and prediction, the mean over repeats."""
    n_classes = len(classes)
    tables = []
    for repeats in everything.values():
        pairs = np.concatenate([each.label * n_classes + each.predicted for each in repeats])
        counts = np.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes)
        tables.append(counts / len(repeats))
    index = pd.MultiIndex.from_product([everything, classes], names=["estimator", "label"])
    return pd.DataFrame(np.concatenate(tables), index, pd.Index(classes))


def written_table(summary: pd.DataFrame, digits: int) -> pd.DataFrame:
    """Write a summary as text: a row an estimator, a column a metric."""

    def cell(row: Any) -> str:
        if np.isnan(row.pooled):
            return ""
        point, low, high = (f"{each:.{digits}f}" for each in (row.pooled, row.low, row.high))
        return point if np.isnan(row.low) else f"{point} ({low} to {high})"

    cells = [cell(row) for row in summary.itertuples()]
    index, columns = summary["estimator"].unique(), summary["metric"].unique()
    rows = np.array(cells, dtype=object).reshape(len(index), len(columns))
    return pd.DataFrame(rows, pd.Index(index, name="estimator"), columns)


def check_name(name: str) -> None:
    """Refuse a name that decision curves have for something else."""
    if name in (TREAT_ALL, TREAT_NONE):
        raise ValueError(
            f"An estimator cannot be called {name!r}: a decision curve has a line of that name."
        )


def decision_table(
    everything: Mapping[str, Repeats],
    classes: tuple[Any, ...],
    pos_label: Any,
    thresholds: Iterable[float],
) -> pd.DataFrame:
    """Tabulate the net benefit of treating a class over thresholds."""
    if pos_label is None and len(classes) == 2:
        pos_label = classes[1]
    if pos_label not in classes:
        raise ValueError(
            f"pos_label must be the class that would be treated, one of {classes}, got "
            f"{pos_label!r}."
        )
    k = classes.index(pos_label)
    at = [float(each) for each in thresholds]
    benefits: dict[str, list[list[float]]] = {}
    for name, repeats in everything.items():
        check_name(name)
        arrays = [each.against_rest(k) for each in repeats]
        benefits[name] = [[net_benefit(label, p, t) for label, p, _ in arrays] for t in at]
    benefits[TREAT_ALL] = [
        [net_benefit(label, np.ones(len(label)), t) for label, _, _ in arrays] for t in at
    ]
    columns = {name: np.array(found).mean(axis=1) for name, found in benefits.items()}
    columns[TREAT_NONE] = np.zeros(len(at))
    table = pd.DataFrame(columns, index=pd.Index(at, name="threshold"))
    return table.rename_axis(columns=f"positive class {pos_label!r}")


def comparison_table(
    everything: Mapping[str, Repeats],
    per_fold: pd.DataFrame,
    reference: str,
    metric: Metric,
    bootstrap: Bootstrap,
) -> pd.DataFrame:
    """Tabulate each other estimator against the reference."""
    base = everything[reference]
    base_point = bootstrap.pooled(base, metric)
    base_draws = bootstrap.draws(base, [metric])[metric.name]
    base_folds = _fold_values(per_fold, reference, metric.name)
    folds = per_fold[per_fold["estimator"] == reference]
    ratio = float(folds["n_test"].sum() / folds["n_train"].sum()) if len(folds) else np.nan
    others = [name for name in everything if name != reference]
    rows: list[dict[str, Any]] = []
    for other in others:
        repeats = everything[other]
        drawn = bootstrap.draws(repeats, [metric])[metric.name]
        low, high = bootstrap.of_difference(metric, (repeats, drawn), (base, base_draws))
        differences = _fold_values(per_fold, other, metric.name) - base_folds
        over_folds = corrected_resampled_t(differences, ratio)
        tested = _delong(repeats, base, bootstrap.groups) if metric.name == "roc_auc" else None
        rows.append(
            {
                "estimator": other,
                "reference": reference,
                "metric": metric.name,
                "difference": bootstrap.pooled(repeats, metric) - base_point,
                "low": low,
                "high": high,
                "delong_p": tested.p_value if tested else np.nan,
                "delong_p_holm": np.nan,
                "fold_difference": over_folds.difference,
                "fold_p": over_folds.p_value,
                "fold_p_holm": np.nan,
                "n_folds": int((~np.isnan(differences)).sum()),
                "n_comparisons": len(others),
                "greater_is_better": metric.greater_is_better,
            }
        )
    table = pd.DataFrame(rows)
    for column in ("delong_p", "fold_p"):
        table[f"{column}_holm"] = holm(table[column])
    return table


def _fold_values(per_fold: pd.DataFrame, estimator: str, metric: str) -> Floats:
    chosen = per_fold["estimator"] == estimator
    values: Floats = per_fold.loc[chosen, metric].to_numpy(dtype=np.float64)
    return values


def _delong(first: Repeats, second: Repeats, groups: NDArray[Any]) -> PairedTest | None:
    rows = first[0].rows
    if first[0].n_classes > 2 or any(not np.array_equal(rows, each.rows) for each in first):
        return None  # repeats that test different patients have no components to average
    codes = pd.factorize(groups[rows])[0]
    label = first[0].label == 1
    if min(len(set(codes[label])), len(set(codes[~label]))) < 2:
        return None
    return delong_test(
        label,
        np.stack([each.probability[:, 1] for each in first]),
        np.stack([each.probability[:, 1] for each in second]),
        groups=codes,
    )
