"""Markdown tables of what models came to."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.paper.runs import Run
from skedema.evaluation.statistics import holm

HEADER = (
    "accuracy",
    "precision",
    "F1",
    "AUC (95 %)",
    "AUC over folds",
    "difference (95 %)",
    "DeLong p",
    "fold p",
)
COLUMNS = (
    "AUC with a bootstrap interval over patients, and its mean +- sd over folds. Difference: AUC "
    "of the row less that of AttentionMixer, in a bootstrap with the same patients for both. P "
    "values, of DeLong's test of pooled AUCs and of the corrected resampled t test over folds, are "
    "adjusted by Holm's method within a table."
)
_METRICS = ("accuracy", "precision", "f1", "roc_auc")


def markdown(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    header = list(header)
    lines = [header, ["---"] * len(header), *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def comparison_table(
    run: Run, reference: str, *, notes: dict[str, str] | None = None, known: Run | None = None
) -> str:
    """A row a model, those that failed too; `known` are rows that are no competitors."""
    cells = {name: [f"failed: {error}"] + [""] * 7 for name, error in run.failed.items()}
    cells |= _cells(run, run.names, reference, tested=True)
    order = list(run.order)
    if known is not None:
        cells |= _cells(known, known.names[1:], reference, tested=False)
        order += known.names[1:]
    rows = []
    for name in order:
        note = (notes or {}).get(name)
        rows.append([f"{name} ({note})" if note else name, *cells[name]])
    return markdown(["model", *HEADER], rows)


def auc_cell(run: Run, name: str) -> str:
    if name in run.failed:
        return "failed"
    return _interval(run.of([name]).summary(["roc_auc"]).iloc[0], "pooled")


def failures(failed: dict[str, str]) -> str:
    return "\n".join(f"- {name} failed: {error}" for name, error in failed.items())


def number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.3f}"


def p_value(value: float) -> str:
    return "< 0.001" if value < 0.001 else number(value)


def _cells(run: Run, names: list[str], reference: str, *, tested: bool) -> dict[str, list[str]]:
    others = [name for name in names if name != reference]
    compared = _compared(run, others, reference)
    cells = {}
    for name in names:
        found = run.of([name]).summary(_METRICS).set_index("metric")
        auc = found.loc["roc_auc"]
        row = [
            *(number(found.loc[metric, "pooled"]) for metric in _METRICS[:-1]),
            _interval(auc, "pooled"),
            f"{number(auc['fold_mean'])} +- {number(auc['fold_sd'])}",
        ]
        if name in compared.index:
            against = compared.loc[name]
            row.append(_interval(against, "difference", sign="+"))
            if tested:
                row += [p_value(against["delong_p_holm"]), p_value(against["fold_p_holm"])]
        cells[name] = row + [""] * (len(HEADER) - len(row))
    return cells


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
    if low == high == "nan":  # 0 or 1 in every resample
        return f"{point} (no interval)"
    return f"{point} ({low} to {high})"
