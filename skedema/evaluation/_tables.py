"""Tables of predictions out of fold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skedema.evaluation import _weighted
from skedema.evaluation.metrics import figures
from skedema.evaluation.statistics import (
    PairedTest,
    corrected_resampled_t,
    delong_test,
    holm,
    patient_weights,
    percentile_interval,
)

if TYPE_CHECKING:
    from skedema.evaluation.result import Evaluation

Floats = NDArray[np.float64]

# Figures that are shares of patients, or of pairs of them.
_SHARES = {
    *("roc_auc", "average_precision", "accuracy", "balanced_accuracy", "precision", "recall"),
    *("specificity", "f1", "sensitivity_at_specificity"),
}


@dataclass(frozen=True)
class Repeat:
    """What an estimator predicts out of fold in a repeat, rows in order."""

    rows: NDArray[np.intp]
    label: NDArray[np.bool_]
    probability: Floats
    predicted: NDArray[np.bool_]

    def at(self, chosen: NDArray[np.bool_]) -> Repeat:
        """Keep the rows that are chosen, among all rows of X."""
        kept = chosen[self.rows]
        return Repeat(
            self.rows[kept], self.label[kept], self.probability[kept], self.predicted[kept]
        )


def repeats_of(evaluation: Evaluation, name: str) -> list[Repeat]:
    """List the repeats of an estimator."""
    table = evaluation.predictions
    positive = evaluation.classes[1]
    table = table[table["estimator"] == name].sort_values(["repeat", "row"])
    return [
        Repeat(
            part["row"].to_numpy(),
            (part["label"] == positive).to_numpy(dtype=bool),
            part["probability"].to_numpy(),
            (part["predicted"] == positive).to_numpy(dtype=bool),
        )
        for _, part in table.groupby("repeat")
    ]


def pooled(
    evaluation: Evaluation, repeats: Sequence[Repeat], names: Sequence[str]
) -> dict[str, float]:
    """Give figures of all rows together, the mean over repeats."""
    found = [
        figures(each.label, each.probability, each.predicted, names=names, **evaluation.settings)
        for each in repeats
    ]
    return {name: float(np.mean([each[name] for each in found])) for name in names}


def resampled(
    evaluation: Evaluation, repeats: Sequence[Repeat], names: Sequence[str], n_resamples: int
) -> dict[str, Floats]:
    """Give the same in bootstrap resamples of patients, who bring their rows of all repeats.

    Estimators on the same rows get the same resamples.
    """
    rows = np.unique(np.concatenate([each.rows for each in repeats]))
    codes = pd.factorize(evaluation.groups[rows])[0]
    found: dict[str, list[Floats]] = {name: [] for name in names}
    for weight in patient_weights(codes, n_resamples, evaluation.random_state):
        for name in names:
            values = [
                _weighted.figure(
                    name,
                    each.label,
                    each.probability,
                    each.predicted,
                    weight[:, np.searchsorted(rows, each.rows)],
                    **evaluation.settings,
                )
                for each in repeats
            ]
            found[name].append(np.mean(values, axis=0))
    return {name: np.concatenate(values) for name, values in found.items()}


def summary_table(
    evaluation: Evaluation, names: Sequence[str], n_resamples: int, confidence: float
) -> pd.DataFrame:
    """Tabulate each figure of each estimator."""
    rows: list[dict[str, Any]] = []
    for estimator in evaluation.names:
        repeats = repeats_of(evaluation, estimator)
        points = pooled(evaluation, repeats, names)
        draws = resampled(evaluation, repeats, names, n_resamples)
        for name in names:
            folds = fold_values(evaluation, estimator, name)
            defined = folds[~np.isnan(folds)]
            low, high = _interval(name, points[name], draws[name], confidence)
            rows.append(
                {
                    "estimator": estimator,
                    "metric": name,
                    "pooled": points[name],
                    "low": low,
                    "high": high,
                    "fold_mean": defined.mean() if len(defined) else np.nan,
                    "fold_sd": defined.std(ddof=1) if len(defined) > 1 else np.nan,
                    "n_folds": len(defined),
                }
            )
    return pd.DataFrame(rows)


def comparison_table(
    evaluation: Evaluation, reference: str, metric: str, n_resamples: int, confidence: float
) -> pd.DataFrame:
    """Tabulate each other estimator against the reference."""
    base = repeats_of(evaluation, reference)
    base_point = pooled(evaluation, base, [metric])[metric]
    base_draws = resampled(evaluation, base, [metric], n_resamples)[metric]
    base_folds = fold_values(evaluation, reference, metric)
    folds = evaluation.folds[evaluation.folds["estimator"] == reference]
    ratio = float(folds["n_test"].sum() / folds["n_train"].sum())
    others = [name for name in evaluation.names if name != reference]
    rows: list[dict[str, Any]] = []
    for other in others:
        repeats = repeats_of(evaluation, other)
        draws = resampled(evaluation, repeats, [metric], n_resamples)[metric] - base_draws
        low, high = percentile_interval(draws, confidence)
        differences = fold_values(evaluation, other, metric) - base_folds
        over_folds = corrected_resampled_t(differences, ratio)
        tested = _delong(evaluation, repeats, base) if metric == "roc_auc" else None
        rows.append(
            {
                "estimator": other,
                "reference": reference,
                "metric": metric,
                "difference": pooled(evaluation, repeats, [metric])[metric] - base_point,
                "low": low,
                "high": high,
                "delong_p": tested.p_value if tested else np.nan,
                "delong_p_holm": np.nan,
                "fold_difference": over_folds.difference,
                "fold_p": over_folds.p_value,
                "fold_p_holm": np.nan,
                "n_folds": int((~np.isnan(differences)).sum()),
                "n_comparisons": len(others),
            }
        )
    table = pd.DataFrame(rows)
    for column in ("delong_p", "fold_p"):
        table[f"{column}_holm"] = holm(table[column])
    return table


def subgroup_table(
    evaluation: Evaluation,
    parts: Sequence[tuple[Any, NDArray[np.bool_]]],
    names: Sequence[str],
    min_patients: int,
    n_resamples: int,
    confidence: float,
) -> pd.DataFrame:
    """Tabulate each figure of each estimator in each part of the rows."""
    rows: list[dict[str, Any]] = []
    for estimator in evaluation.names:
        everything = repeats_of(evaluation, estimator)
        for value, chosen in parts:
            repeats = [part for part in (r.at(chosen) for r in everything) if len(part.rows)]
            sizes = _sizes(evaluation, repeats)
            note = ""
            if sizes["n_patients"] < min_patients:
                note = f"fewer than {min_patients} patients: no figures"
            elif sizes["n_positive"] in (0, sizes["n_rows"]):
                note = "one class only: some figures are not defined"
            if note.startswith("fewer"):
                points = dict.fromkeys(names, np.nan)
                intervals = dict.fromkeys(names, (np.nan, np.nan))
            else:
                points = pooled(evaluation, repeats, names)
                draws = resampled(evaluation, repeats, names, n_resamples)
                intervals = {n: _interval(n, points[n], draws[n], confidence) for n in names}
            rows += [
                {
                    "estimator": estimator,
                    "subgroup": value,
                    **sizes,
                    "metric": name,
                    "pooled": points[name],
                    "low": intervals[name][0],
                    "high": intervals[name][1],
                    "note": note,
                }
                for name in names
            ]
    return pd.DataFrame(rows)


def fold_values(evaluation: Evaluation, estimator: str, metric: str) -> Floats:
    """Give a figure of an estimator in each fold, in order."""
    table = evaluation.per_fold
    values: Floats = table.loc[table["estimator"] == estimator, metric].to_numpy(dtype=np.float64)
    return values


def fold_figures(evaluation: Evaluation, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Give the figures of each fold of each estimator, in the order of `folds`."""
    positive = evaluation.classes[1]
    keys = ["estimator", "repeat", "fold"]
    parts = dict(iter(evaluation.predictions.groupby(keys)))
    for key in evaluation.folds[keys].itertuples(index=False, name=None):
        part = parts[key]
        yield figures(
            part["label"] == positive,
            part["probability"],
            part["predicted"] == positive,
            names=names,
            **evaluation.settings,
        )


def _interval(name: str, point: float, draws: Floats, confidence: float) -> tuple[float, float]:
    """Give the interval of a figure; NaN where it is not defined, or where no patient differs.

    Where all patients are right, or all wrong, so they are in each resample. That all others would
    be, too, is more than a few patients tell.
    """
    all_alike = name in _SHARES and point in (0, 1) and (draws == point).all()
    if np.isnan(point) or all_alike:
        return np.nan, np.nan
    return percentile_interval(draws, confidence)


def _sizes(evaluation: Evaluation, repeats: Sequence[Repeat]) -> dict[str, int]:
    if not repeats:
        return {"n_rows": 0, "n_patients": 0, "n_positive": 0}
    rows, first = np.unique(np.concatenate([r.rows for r in repeats]), return_index=True)
    label = np.concatenate([r.label for r in repeats])[first]
    patients = len(set(evaluation.groups[rows].tolist()))
    return {"n_rows": len(rows), "n_patients": patients, "n_positive": int(label.sum())}


def _delong(
    evaluation: Evaluation, first: Sequence[Repeat], second: Sequence[Repeat]
) -> PairedTest | None:
    rows = first[0].rows
    if any(not np.array_equal(rows, each.rows) for each in first):
        return None  # repeats that test different patients have no components to average
    codes = pd.factorize(evaluation.groups[rows])[0]
    label = first[0].label
    if min(len(set(codes[label])), len(set(codes[~label]))) < 2:
        return None
    return delong_test(
        label,
        np.stack([each.probability for each in first]),
        np.stack([each.probability for each in second]),
        groups=codes,
    )
