"""What is written on figures."""

from __future__ import annotations

_METRICS = {
    "roc_auc": "AUC",
    "f1": "F1",
    "brier": "Brier score",
    "mae": "MAE",
    "rmse": "RMSE",
    "r2": "R2",
    "pearson": "Pearson correlation",
    "spearman": "Spearman correlation",
    "coverage": "coverage of intervals",
    "coverage_error": "coverage less what intervals say",
    "width": "width of intervals",
    "pinball": "pinball loss",
    "recall": "recall (sensitivity)",
}


def metric_words(name: str) -> str:
    """Write the name of a metric in words."""
    return _METRICS.get(name, name.replace("_", " "))
