"""Figures with intervals, and the curves behind them."""

from __future__ import annotations

from typing import Any

from skedema._pages import Pictures, Section, table_of
from skedema.evaluation._report.drawn import drawn
from skedema.evaluation._report.material import Material
from skedema.evaluation.displays._words import metric_words


def performance(material: Material) -> Section:
    """Figures of all models with intervals, curves, calibration, decisions and confusion."""
    return Section("Performance", performance_pieces(material))


def _of_numbers(material: Material) -> list[Any]:
    result, resamples = material.result, {"n_resamples": material.n_resamples}
    table = result.table(**resamples).T.rename(metric_words).rename_axis("figure")
    metrics = result.metrics
    figures: list[Any] = [
        (
            "Predicted and observed",
            metrics.predicted_observed,
            "Dotted: as predicted. Grey: predicted intervals, where there are any.",
            resamples,
        ),
        (
            "Bland and Altman",
            metrics.bland_altman,
            "Bias, and limits between which 95 % of the differences lie, with intervals.",
            {},
        ),
    ]
    if result.quantiles:
        what = "On the diagonal, quantiles hold what they say."
        figures.append(("Calibration of quantiles", metrics.interval_calibration, what, {}))
    pictures = [drawn(make(**options), title, caption) for title, make, caption, options in figures]
    return [
        table_of(
            table,
            f"Figures of predictions {material.unseen}, with 95 % intervals over patients",
            note="Errors, bias and widths are in the unit of the target. A dash is a figure that "
            "is not defined.",
        ),
        Pictures(pictures),
    ]


def performance_pieces(material: Material) -> list[Any]:
    if material.result.of_numbers:
        return _of_numbers(material)
    result, resamples = material.result, {"n_resamples": material.n_resamples}
    two = len(result.classes) == 2
    what = (
        f"The positive class is {result.classes[1]!r}."
        if two
        else "Figures are means over the classes, each against the rest, but for accuracy, "
        "balanced accuracy, Brier score and log loss, which are of all classes together."
    )
    table = result.table(**resamples).T.rename(metric_words).rename_axis("figure")
    pieces: list[Any] = [
        what,
        table_of(
            table,
            f"Figures of predictions {material.unseen}, with 95 % intervals over patients",
            note="Brier score, log loss: lower is better. Calibration: best at a slope of 1 and an "
            "intercept of 0. A dash is a figure that is not defined.",
        ),
    ]
    if not two:
        table = result.per_class(["roc_auc", "recall", "specificity", "precision"], **resamples)
        pieces.append(table_of(table, "Each class against the rest", index=False))
    metrics = result.metrics
    curves = [
        ("ROC curve", metrics.roc, "Shaded: 95 % of resamples of patients.", resamples),
        (
            "Precision and recall",
            metrics.precision_recall,
            "Dotted: by chance.",
            resamples,
        ),
        ("Calibration", metrics.calibration, "On the diagonal, risks are what they say.", {}),
        ("Decision curve", metrics.decision_curve, "A model is of use where it is highest.", {}),
        ("Confusion", metrics.confusion_matrix, "Rows of the table by label and prediction.", {}),
    ]
    pictures = [drawn(make(**options), title, caption) for title, make, caption, options in curves]
    return [*pieces, Pictures(pictures)]
