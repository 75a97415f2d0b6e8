"""An evaluation on standard output, and in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from skedema.cli._cohort import Cohort
from skedema.cli._output import show, write_table

if TYPE_CHECKING:
    from skedema.evaluation import Evaluation

#: What the model is called beside others.
NAME = "skedema"


def show_result(result: Evaluation, title: str, parts: list[str]) -> None:
    """Print figures with intervals, those of parts, and differences to other models."""
    print(f"{title}: {str(result).strip('<>')}")
    show(result.table().T)
    for name in parts:
        print(f"\n{name}")
        show(result.subgroups(name).round(3), index=False)
    if len(result.names) > 1:
        table = result.compare(NAME)
        metric = table["metric"].iloc[0]
        print(f"\n{'AUC' if metric == 'roc_auc' else metric}, difference to {NAME}")
        show(table.round(3), index=False)


def write_result(result: Evaluation, table: Cohort, parts: list[str], folder: Path) -> None:
    """Write all tables, and predictions with the lines and identifiers of their rows."""
    write_table(result.summary(), folder / "summary.csv")
    write_table(result.folds, folder / "folds.csv")
    write_table(_with_rows(result.predictions, table), folder / "predictions.csv")
    for name in parts:
        plain = "".join(c if c.isalnum() or c in "-_" else "-" for c in name)
        write_table(result.subgroups(name), folder / f"subgroups-{plain}.csv")
    if len(result.names) > 1:
        write_table(result.compare(NAME), folder / "comparison.csv")


def _with_rows(predictions: Any, table: Cohort) -> Any:
    found = predictions.copy()
    rows = found["row"].to_numpy()
    found["row"] = table.raw.index[rows]
    for position, name in enumerate(table.ids, found.columns.get_loc("row") + 1):
        found.insert(position, name, table.raw[name].to_numpy()[rows], allow_duplicates=True)
    return found
