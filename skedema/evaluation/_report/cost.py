"""How long the long parts of a report will take, told before they begin."""

from __future__ import annotations

import time

from skedema._measured import duration
from skedema._pace import logger
from skedema.evaluation._report.importance import REPEATS
from skedema.evaluation._report.material import Material, Unavailable
from skedema.scans._remarks import unheard

_LONG = 60.0  # seconds


def tell_of_importance(material: Material) -> None:
    """Say it where shuffling every variable will take more than about a minute.

    Measured on one prediction of the first model, the second one: the first may have to read scans.
    """
    try:
        models = material.fold_models
    except Unavailable:
        return
    rows = material.rows(models[0].rows)
    model = models[0].estimator
    ask = model.predict if material.result.of_numbers else model.predict_proba
    with unheard():
        ask(rows)
        start = time.perf_counter()
        ask(rows)
        seconds = time.perf_counter() - start
    n_predictions = len(models) * len(material.table.columns) * REPEATS
    _tell(seconds * n_predictions, f"the importance, {n_predictions} predictions", "importance")


def tell_of_gallery(seconds: float, n_left: int) -> None:
    """Say it where looking at the other patients will take more than about a minute."""
    what = f"the scans of {n_left} more patients (n_cases= says how many)"
    _tell(seconds * n_left, what, "gallery")


def _tell(seconds: float, what: str, section: str) -> None:
    if seconds > _LONG:
        logger.warning(
            f"The report will take about {duration(seconds)} for {what}; sections= without "
            f"{section!r} leaves that out."
        )
