"""Markdown tables of what models came to."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.paper.runs import Run
from skedema.evaluation.metrics._registry import find_metrics
from skedema.evaluation.statistics import holm, percentile_interval

HEADER = (
    "AUC (95 %)",
    "log loss",
    "slope",
    "accuracy",
    "F1",
    "difference (95 %)",
    "DeLong p",
    "fold p",
)
COLUMNS = (
    "AUC with Newcombe's interval (2006, method 5). Slope: of logistic recalibration, 1 is ideal. "
    "Difference: AUC of the row less that of AttentionMixer, in a bootstrap with the same patients "
    "for both. P values, of DeLong's test of pooled AUCs and of the corrected resampled t test "
    "over folds, are adjusted by Holm's method within a table."
)
OVER_COHORTS = ("roc_auc", "log_loss", "calibration_slope")
HEADER_OVER_COHORTS = (
    "AUC (95 %)",
    "log loss (95 %)",
    "slope (95 %)",
    "AUC less AttentionMixer's",
    "log loss less AttentionMixer's",
    "AUC of each",
)
COLUMNS_OVER_COHORTS = (
    "Means over the cohorts. Intervals (95 %) are of a bootstrap of that mean which draws patients "
    "within each cohort, the same ones for a row and AttentionMixer; they are not adjusted for the "
    "number of rows. Slope: of logistic recalibration, 1 is ideal."
)
_METRICS = ("roc_auc", "log_loss", "calibration_slope", "accuracy", "f1")
_RESAMPLES = 2000


def markdown(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    header = list(header)
    lines = [header, ["---"] * len(header), *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def comparison_table(
    run: Run, reference: str, *, notes: Mapping[str, str] | None = None, known: Collection[str] = ()
) -> str:
    """A row a model, those that failed too; `known` are names of rows that are no competitors."""
    cells = {name: [f"failed: {error}"] + [""] * 7 for name, error in run.failed.items()}
    tested = [name for name in run.names if name not in known and name != reference]
    compared = _compared(run, tested, reference)
    others = [name for name in run.names if name in known]
    of_known = _compared(run, others, reference)
    for name in run.names:
        found = run.of([name]).summary(_METRICS).set_index("metric")
        row = [_interval(found.loc["roc_auc"], "pooled")]
        row += [number(found.loc[metric, "pooled"]) for metric in _METRICS[1:]]
        if name in compared.index:
            against = compared.loc[name]
            row.append(_interval(against, "difference", sign="+"))
            row += [p_value(against["delong_p_holm"]), p_value(against["fold_p_holm"])]
        elif name in of_known.index:
            row.append(_interval(of_known.loc[name], "difference", sign="+"))
        cells[name] = row + [""] * (len(HEADER) - len(row))
    rows = []
    for name in run.order:
        note = (notes or {}).get(name)
        rows.append([f"{name} ({note})" if note else name, *cells[name]])
    return markdown(["model", *HEADER], rows)


def cohorts_table(runs: Mapping[int, Run], reference: str) -> str:
    """A row a model: means over the cohorts, and their differences from the reference."""
    of_reference = None
    order = list(dict.fromkeys(name for run in runs.values() for name in run.order))
    failed = {name: (seed, run.failed[name]) for seed, run in runs.items() for name in run.failed}
    if reference not in failed:
        of_reference = _draws(runs, reference)
    rows = []
    for name in order:
        if name in failed:
            seed, error = failed[name]
            rows.append([name, f"failed on cohort {seed}: {error}"] + [""] * 5)
            continue
        point, draws = _draws(runs, name)
        row = [name, *(_mean(point[m], draws[m]) for m in OVER_COHORTS)]
        if of_reference is None or name == reference:
            row += ["", ""]
        else:
            row += [
                _mean(point[m] - of_reference[0][m], draws[m] - of_reference[1][m], sign="+")
                for m in OVER_COHORTS[:2]
            ]
        rows.append([*row, ", ".join(f"{auc:.3f}" for auc in point["roc_auc"])])
    return markdown(["model", *HEADER_OVER_COHORTS], rows)


def auc_cell(run: Run, name: str) -> str:
    if name in run.failed:
        return "failed"
    return _interval(run.of([name]).summary(["roc_auc"]).iloc[0], "pooled")


def failures(failed: Mapping[str, str]) -> str:
    return "\n".join(f"- {name} failed: {error}" for name, error in failed.items())


def number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.3f}"


def p_value(value: float) -> str:
    return "< 0.001" if value < 0.001 else number(value)


def _draws(runs: Mapping[int, Run], name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Figures of a model, (cohorts,), and the same in resamples of patients, (cohorts, draws)."""
    metrics = find_metrics(OVER_COHORTS)
    points, draws = [], []
    for seed, run in runs.items():
        alone = replace(run.of([name]), random_state=seed)  # other draws in each cohort
        bootstrap, repeats = alone._bootstrap(_RESAMPLES, 0.95), alone._repeats[name]
        points.append({metric.name: bootstrap.pooled(repeats, metric) for metric in metrics})
        draws.append(bootstrap.draws(repeats, metrics))
    return tuple(
        {name: np.array([each[name] for each in of]) for name in OVER_COHORTS}
        for of in (points, draws)
    )


def _mean(point: np.ndarray, draws: np.ndarray, sign: str = "") -> str:
    low, high = percentile_interval(draws.mean(axis=0), 0.95)
    row = {"mean": point.mean(), "low": low, "high": high}
    return _interval(row, "mean", sign)


def _compared(run: Run, others: list[str], reference: str) -> pd.DataFrame:
    """Each with the reference, on the seeds that both have; adjusted for all of them."""
    if reference in run.failed or not others:
        return pd.DataFrame()
    by_seeds: dict[int, list[str]] = {}
    for name in others:
        by_seeds.setdefault(run.n_seeds(name), []).append(name)
    parts = [run.of([reference, *names]).compare(reference) for names in by_seeds.values()]
    table = pd.concat(parts).set_index("estimator")
    for column in ("delong_p", "fold_p"):
        table[f"{column}_holm"] = holm(table[column])
    return table


def _interval(row: Any, what: str, sign: str = "") -> str:
    if np.isnan(row[what]):
        return ""
    point, low, high = (f"{row[each]:{sign}.3f}" for each in (what, "low", "high"))
    if "nan" in (low.strip("+-"), high.strip("+-")):  # 0 or 1 in every resample, or undefined
        return f"{point} (no interval)"
    return f"{point} ({low} to {high})"
