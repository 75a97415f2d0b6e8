"""What it is about, and the figure that matters most, at one look."""

from __future__ import annotations

from typing import Any

import numpy as np

from skedema._pages import Facts, Notice, Section
from skedema.evaluation._report.material import Material
from skedema.evaluation.displays._words import metric_words
from skedema.frames import counted


def summary(material: Material) -> Section:
    """Patients, classes, models, folds, and the figure that matters most with its interval."""
    result = material.result
    labels = material.labels
    tested = np.array([label is not None for label in labels])
    if result.of_numbers:
        numbers = labels[tested].astype(float)
        target = (
            "Target",
            f"{numbers.mean():.4g} on average, standard deviation {numbers.std():.4g}",
        )
    else:
        target = (
            "Classes",
            ", ".join(
                f"{label}: {int((labels == label).sum())} "
                f"({(labels == label).sum() / tested.sum():.0%})"
                for label in result.classes
            ),
        )
    n_patients, n_rows = len(set(np.asarray(result.groups)[tested].tolist())), int(tested.sum())
    facts = [
        ("Patients", f"{n_patients}" + ("" if n_rows == n_patients else f", in {n_rows} rows")),
        target,
        ("Models", ", ".join(result.names)),
        ("Looked into", material.model),
        ("Tested in", folds_in_words(result, material.model)),
        *_first_figure(material),
    ]
    pieces: list[Any] = [Facts(facts)]
    if result.leaks:
        pieces.append(Notice(_leaks(material), "Look first"))
    return Section("Summary", pieces)


def folds_in_words(result: Any, model: str) -> str:
    """Tell how many folds and repeats there are."""
    if result.kind == "external":
        return "another hospital"
    folds = result.folds[result.folds["estimator"] == model]
    of_repeat = folds.groupby("repeat").size().unique()
    if len(of_repeat) > 1:
        return counted(len(folds), "fold", "folds")
    repeats = folds["repeat"].nunique()
    text = counted(int(of_repeat[0]), "fold", "folds")
    return text if repeats == 1 else f"{text}, {counted(repeats, 'time', 'times')}"


def _first_figure(material: Material) -> list[tuple[str, str]]:
    metric = material.result.first_metric
    table = material.result.table([metric], digits=2, n_resamples=material.n_resamples)
    words = f"{metric_words(metric)} {material.unseen}"
    return [(words, str(table.loc[material.model, metric]))]


def _leaks(material: Material) -> str:
    leaks = material.result.leaks
    if material.identifiers:
        return "Columns may tell the answer, or who a patient is: " + "; ".join(map(str, leaks))
    names = {name.strip("'\"") for leak in leaks for name in leak.columns}
    shown = sorted(names - material.hidden_names)
    named = f", among them {', '.join(shown)}" if shown else ""
    return (
        f"{counted(len(names), 'column', 'columns')} may tell the answer, or who a patient is"
        f"{named}. The attribute leaks of the evaluation says what speaks for it."
    )
