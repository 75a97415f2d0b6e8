"""What is written on figures."""

from __future__ import annotations

import numpy as np

_METRICS = {
    "roc_auc": "AUC",
    "f1": "F1",
    "brier": "Brier score",
    "recall": "recall (sensitivity)",
}


def metric_words(name: str) -> str:
    """Write the name of a metric in words."""
    return _METRICS.get(name, name.replace("_", " "))


def with_interval(value: float, low: float, high: float, digits: int = 2) -> str:
    """Write a figure with its interval, where it has one: "0.80 (0.69 to 0.89)"."""
    if np.isnan(value):
        return "not defined"
    text = f"{value:.{digits}f}"
    return text if np.isnan(low) else f"{text} ({low:.{digits}f} to {high:.{digits}f})"
